"""Task types, workers, queues and health of the stand-in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from tests.support.fake_api.documents import TYPES
from tests.support.fake_api.wire import V1, Answer, Received, Route, problem

if TYPE_CHECKING:
    from tests.support.fake_api.server import FakeApi


def _types(api: FakeApi, got: Received) -> Answer:
    rows: Iterable[str] = sorted(TYPES)
    return (
        200,
        {},
        {"data": [{"name": n, "description": f"Does {n}.", "queue": "demo_tasks", "timeout": 300.0} for n in rows]},
    )


def _ready(api: FakeApi, got: Received) -> Answer:
    status = api.health["status"]
    return (503 if status == "unavailable" else 200), {}, {"status": status, "components": api.health["components"]}


def _paused(api: FakeApi, got: Received, name: str, what: str) -> Answer:
    if name not in api.queues:
        return 404, {}, problem(404, "not_found")
    api.queues[name]["paused"] = what == "pause"
    return 200, {}, api.queues[name]


def _purge(api: FakeApi, got: Received, name: str) -> Answer:
    """Two at a time, as a service does that has a large queue."""
    dry_run = got.query.get("dry_run") == ["true"]
    found = [t for t in api.tasks.values() if t["queue"] == name and t["status"] == "PENDING"]
    chosen = found if dry_run else found[:2]
    for task in [] if dry_run else chosen:
        task["status"] = "CANCELLED"
    counts = {"matched": len(chosen), "cancelled": 0 if dry_run else len(chosen), "has_more": len(found) > len(chosen)}
    return 200, {}, {"queue": name, "dry_run": dry_run, **counts}


def _drain(api: FakeApi, got: Received, worker_id: str) -> Answer:
    for worker in api.workers:
        if worker["id"] == worker_id:
            worker["state"] = "draining"
            return 202, {}, worker
    return 404, {}, problem(404, "not_found")


ROUTES: list[Route] = [
    ("GET", f"{V1}/task-types", _types),
    ("GET", f"{V1}/workers", lambda api, got: (200, {}, {"data": api.workers})),
    ("POST", f"{V1}/workers/([^/]+)/drain", _drain),
    ("GET", f"{V1}/queues", lambda api, got: (200, {}, {"data": list(api.queues.values())})),
    ("POST", f"{V1}/queues/([^/]+)/(pause|resume)", _paused),
    ("DELETE", f"{V1}/queues/([^/]+)/tasks", _purge),
    ("GET", "/health", lambda api, got: (200, {}, api.health)),
    ("GET", "/health/ready", _ready),
]
