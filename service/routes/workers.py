"""Workers: who lives and what they run, and how to send one away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from service.dependencies import NO_BODY, Admin, Reader
from service.problems import Problem
from service.schemas.bodies import NOTHING
from service.schemas.responses import problems
from service.schemas.system import WorkerList, WorkerView
from service.strict_route import StrictRoute
from service.views import json_answer
from shared.domain.worker import WorkerInfo
from shared.queue.workers import drain, live_workers, running_by_worker

router = APIRouter(prefix="/api/v1/workers", tags=["system"], route_class=StrictRoute)


@router.get("", summary="List workers", response_model=WorkerList, response_description="Those that are alive.")
async def read_workers(caller: Reader) -> Response:
    """The workers whose heartbeat is younger than the lease, and what they run."""
    workers = await live_workers(caller.stores)
    running = await running_by_worker(caller.stores, caller.tenant_id, workers)
    return json_answer({"data": [_view(worker, running.get(worker.id, [])) for worker in workers]})


@router.post(
    "/{worker_id}/drain",
    summary="Drain a worker",
    status_code=202,
    response_model=WorkerView,
    response_description="It is told with its next heartbeat.",
    responses=problems(404),
    dependencies=[NO_BODY],
    openapi_extra=NOTHING,
)
async def drain_worker(caller: Admin, worker_id: UUID) -> Response:
    """It takes nothing more, finishes what it runs within its grace, gives the rest back, and ends with code 0.

    Workers serve every tenant, so this takes a key of the tenant `default`. What restarts workers starts a fresh one.
    """
    if not caller.is_operator:
        raise Problem("forbidden", "Workers serve every tenant: this takes an admin key of the tenant 'default'.")
    worker = await drain(caller.stores, worker_id, caller.actor)
    running = await running_by_worker(caller.stores, caller.tenant_id, [worker])
    return json_answer(_view(worker, running.get(worker.id, [])), 202)


def _view(worker: WorkerInfo, running: Sequence[UUID]) -> dict[str, Any]:
    return {
        "id": worker.id,
        "hostname": worker.hostname,
        "pid": worker.pid,
        "state": worker.state,
        "queues": worker.queues,
        "concurrency": worker.concurrency,
        "running": running,
        "heartbeat_age": round(worker.heartbeat_age, 3),
        "started_at": worker.started_at,
        "version": worker.version,
        "types": worker.types,
        "missing": worker.missing,
        "pool": {"size": worker.pool_size, "overflow": worker.pool_overflow},
    }
