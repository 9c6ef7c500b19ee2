"""The metrics page, for Prometheus: what this process counted, and how the whole service stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from service.dependencies import Caller, Reader
from service.strict_route import StrictRoute
from shared import metrics
from shared.domain.errors import StoreUnavailable
from shared.metrics import gauge
from shared.patience import in_turns
from shared.queue.gauges import Gauges, of_process, read_gauges
from shared.queue.queues import served_queues

GAUGE_TURNS = 20
"""Tenths of a second: a page that comes too late for Prometheus tells nothing at all."""

router = APIRouter(tags=["system"], route_class=StrictRoute)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=PlainTextResponse,
    response_description="Prometheus' text format.",
)
async def read_metrics(caller: Reader) -> Response:
    """What this process counted, and how the whole service stands; without PostgreSQL the former alone."""
    found = await _found(caller)
    redis = await caller.stores.broker.ping()
    more = [*of_process(caller.stores, database=found is not None, redis=redis)]
    if found is not None:
        more += _of_all(found, caller.house.settings.expected_workers)
    return Response(metrics.page(more), media_type=metrics.CONTENT_TYPE, headers={"Cache-Control": "no-store"})


async def _found(caller: Caller) -> Gauges | None:
    """None: PostgreSQL is away, or not in time."""
    served = served_queues(caller.house.registry, caller.house.settings.queues)
    try:
        return await in_turns(read_gauges(caller.stores, served), GAUGE_TURNS)
    except (StoreUnavailable, TimeoutError):
        return None


def _of_all(found: Gauges, expected: int | None) -> Iterator[Any]:
    """Of every tenant and process: the same whichever API is asked."""
    loads = found.loads
    waiting = [((queue,), load.waiting) for queue, load in loads.items()]
    yield gauge("queue_waiting", "Due and not started.", waiting, "queue")
    delayed = [((queue,), load.delayed) for queue, load in loads.items()]
    yield gauge("queue_delayed", "Not due yet: scheduled, or between two attempts.", delayed, "queue")
    ages = [((queue,), load.oldest_age or 0.0) for queue, load in loads.items()]
    yield gauge("queue_oldest_age_seconds", "How long the longest waiting task has been due.", ages, "queue")
    running = [((queue,), found.running.get(queue, 0)) for queue in {**loads, **found.running}]
    yield gauge("queue_running", "Tasks that run.", running, "queue")
    yield gauge("webhooks_due", "Webhooks whose next attempt is due.", [((), found.webhooks_due)])
    yield gauge("webhooks_oldest_age_seconds", "How long the longest of these has been.", [((), found.webhooks_age)])
    yield gauge("workers_alive", "Workers whose heart beats.", [((), found.workers_alive)])
    yield gauge("cleanup_age_seconds", "Since the daily cleanup last came to its end.", [((), found.cleanup_age)])
    if expected is not None:
        yield gauge("workers_expected", "TASKRUNNER_EXPECTED_WORKERS.", [((), expected)])
