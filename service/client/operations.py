"""What an operator asks: queues (pause, resume, purge), the drain of a worker, statistics, settings."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from service.client.calls import Call, Flow, exchange
from service.client.models import Page, Worker
from service.client.operator_models import Minute, Purge, Queue, Stats

QUEUES = "/api/v1/queues"
PURGE_PATIENCE = 30.0
"""Seconds beyond the client's time-out: one request purges for several."""


def queues() -> Flow[list[Queue]]:
    """What waits, runs and is paused, by queue."""
    return exchange(Call("GET", QUEUES, lambda reply: Page[Queue].model_validate_json(reply.body).data))


def pause_queue(name: str) -> Flow[Queue]:
    """Start nothing more from the queue; what runs, runs on. Raises: NotFound."""
    return exchange(Call("POST", _queue(name, "pause"), lambda reply: Queue.model_validate_json(reply.body)))


def resume_queue(name: str) -> Flow[Queue]:
    """Start from the queue again. Raises: NotFound."""
    return exchange(Call("POST", _queue(name, "resume"), lambda reply: Queue.model_validate_json(reply.body)))


def purge_queue(name: str, *, dry_run: bool = False) -> Flow[Purge]:
    """Cancel what waits in the queue, in as many requests as it takes; with ``dry_run`` only count. Raises: NotFound.

    Safe to repeat: a purge that was cut off is completed by the next one.
    """
    matched = cancelled = 0
    while True:
        done = yield from _purge(name, dry_run)
        matched, cancelled = matched + done.matched, cancelled + done.cancelled
        if dry_run or not done.has_more:
            return done.model_copy(update={"matched": matched, "cancelled": cancelled})


def drain_worker(worker_id: str) -> Flow[Worker]:
    """Ask a worker to take nothing more, finish what it runs, and end. Needs the scope ``admin``. Raises: NotFound."""
    path = f"/api/v1/workers/{quote(worker_id, safe='')}/drain"
    return exchange(Call("POST", path, lambda reply: Worker.model_validate_json(reply.body)))


def stats(window: int = 3_600) -> Flow[Stats]:
    """Counts, rates and percentiles of the tasks created in the last ``window`` seconds, by type and queue."""
    path = "/api/v1/stats"
    return exchange(
        Call("GET", path, lambda reply: Stats.model_validate_json(reply.body), params={"window": window}, patience=30)
    )


def throughput() -> Flow[list[Minute]]:
    """How many tasks ended in each whole minute of the last hour, oldest first; empty while Redis is away."""
    path = "/api/v1/stats/throughput"
    return exchange(Call("GET", path, lambda reply: Page[Minute].model_validate_json(reply.body).data))


def config() -> Flow[dict[str, Any]]:
    """The service's settings by the names of their variables, secrets masked. Needs the scope ``admin``."""
    return exchange(Call("GET", "/api/v1/config", lambda reply: dict(json.loads(reply.body)["data"])))


def _purge(name: str, dry_run: bool) -> Flow[Purge]:
    return exchange(
        Call(
            "DELETE",
            _queue(name, "tasks"),
            lambda reply: Purge.model_validate_json(reply.body),
            params={"dry_run": "true"} if dry_run else {},
            patience=PURGE_PATIENCE,
        )
    )


def _queue(name: str, below: str) -> str:
    return f"{QUEUES}/{quote(name, safe='')}/{below}"
