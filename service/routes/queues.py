"""Queues: how full they are, pause and resume, and the purge."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from service.dependencies import NO_BODY, Caller, Reader, Writer
from service.schemas.bodies import NOTHING
from service.schemas.queues import PurgeView, QueueList, QueueView
from service.schemas.responses import problems
from service.strict_route import StrictRoute
from service.views import json_answer
from shared.queue.queues import (
    QueueState,
    get_queue,
    list_queues,
    pause,
    purge,
    resume,
    served_queues,
    would_purge,
)

router = APIRouter(prefix="/api/v1/queues", tags=["queues"], route_class=StrictRoute)

# The column takes no NUL.
QueueName = Annotated[str, Path(min_length=1, max_length=63, pattern=r"^[^\x00]+$", description="The queue's name.")]
DryRun = Annotated[bool, Query(description="Only count.")]


@router.get("", summary="List queues", response_model=QueueList, response_description="Those this service knows.")
async def read_queues(caller: Reader) -> Response:
    """What waits, runs and is paused, of the caller's tenant. Cheap however much waits: large counts are cut."""
    found = await list_queues(caller.stores, caller.tenant_id, _served(caller))
    return json_answer({"data": [_view(queue) for queue in found]})


@router.post(
    "/{queue}/pause",
    summary="Pause a queue",
    response_model=QueueView,
    response_description="It is paused.",
    responses=problems(404),
    dependencies=[NO_BODY],
    openapi_extra=NOTHING,
)
async def pause_queue(caller: Writer, queue: QueueName) -> Response:
    """From the answer on no waiting task of the caller's tenant starts from this queue. What runs, runs on."""
    await _find(caller, queue)
    await pause(caller.stores, caller.tenant_id, queue, caller.actor)
    return json_answer(_view(await _find(caller, queue)))


@router.post(
    "/{queue}/resume",
    summary="Resume a queue",
    response_model=QueueView,
    response_description="It gives tasks out again.",
    responses=problems(404),
    dependencies=[NO_BODY],
    openapi_extra=NOTHING,
)
async def resume_queue(caller: Writer, queue: QueueName) -> Response:
    """Waiting tasks start again, at once where a worker has a free slot."""
    await _find(caller, queue)
    await resume(caller.stores, caller.tenant_id, queue, caller.actor)
    return json_answer(_view(await _find(caller, queue)))


@router.delete(
    "/{queue}/tasks",
    summary="Purge a queue",
    response_model=PurgeView,
    response_description="They are CANCELLED; or, in a dry run, counted.",
    responses=problems(404),
    dependencies=[NO_BODY],
)
async def purge_queue(caller: Writer, queue: QueueName, dry_run: DryRun = False) -> Response:
    """Cancels what waits in the queue now, due or not; what runs, runs on. Repeat it while `has_more` is true."""
    await _find(caller, queue)
    if dry_run:
        done = await would_purge(caller.stores, caller.tenant_id, queue)
    else:
        done = await purge(caller.stores, caller.tenant_id, queue, caller.actor)
    counts = {"matched": done.matched, "cancelled": done.cancelled, "has_more": done.has_more}
    return json_answer({"queue": queue, "dry_run": dry_run, **counts})


async def _find(caller: Caller, queue: str) -> QueueState:
    """Raises: NotFound."""
    return await get_queue(caller.stores, caller.tenant_id, _served(caller), queue)


def _served(caller: Caller) -> list[str]:
    return served_queues(caller.house.registry, caller.house.settings.queues)


def _view(queue: QueueState) -> dict[str, Any]:
    load = queue.load
    return {
        "name": queue.name,
        "waiting": load.waiting,
        "delayed": load.delayed,
        "running": queue.running,
        "paused": queue.is_paused,
        "oldest_age": None if load.oldest_age is None else round(load.oldest_age, 3),
        "throughput": queue.throughput,
        "is_lower_bound": load.is_cut,
    }
