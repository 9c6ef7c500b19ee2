"""Streams of events: of one task, and of all of the tenant's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.dependencies import Reader
from service.problems import Problem
from service.routes.task_lists import Many
from service.schemas.headers import LAST_EVENT_ID, takes
from service.schemas.responses import problems
from service.streaming import MEDIA_TYPE, EventStream
from service.strict_route import StrictRoute
from shared.domain.live import Place
from shared.domain.states import Status
from shared.queue.feeds import FeedFilter, FeedPlace, follow_feed
from shared.queue.streams import TaskStream

router = APIRouter(prefix="/api/v1", tags=["events"], route_class=StrictRoute)

StartingAfter = Annotated[str | None, Query(description="The id of an event: what follows it is sent.")]
P = TypeVar("P")

TASK_EXAMPLE = (
    "id: 1-2-0-0\nevent: status\n"
    'data: {"status":"PROCESSING","attempt":1,"generation":1,"at":"2026-03-01T12:00:00Z"}\n\n'
    'id: 1-2-1-0\nevent: output\ndata: {"delta":"A queue is"}\n\n'
)
FEED_EXAMPLE = (
    'id: 1772366400000-7\nevent: succeeded\ndata: {"id":"019aa6a0-5f1e-7c3a-9d2b-4a6c8e0f1b2d","type":'
    '"simple_calculation","queue":"demo_tasks","status":"COMPLETED","attempt":1,"generation":1,"wait":0.002,'
    '"duration":0.012,"at":"2026-03-01T12:00:00.014000Z"}\n\n'
)


class EventStreamAnswer(Response):
    """For the document: what these routes answer with."""

    media_type = MEDIA_TYPE


def _streams(example: str) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": {"type": "string"}, "example": example}}
    return {200: {"description": "Server-Sent Events, as they come.", "content": content}}


@router.get(
    "/tasks/{task_id}/events",
    summary="Follow a task",
    response_class=EventStreamAnswer,
    responses={
        **_streams(TASK_EXAMPLE),
        204: {"description": "Nothing will follow that id: do not ask again."},
        **problems(404, 429),
    },
    openapi_extra=takes(LAST_EVENT_ID),
)
async def follow_task(
    request: Request, caller: Reader, task_id: UUID, starting_after: StartingAfter = None
) -> Response:
    """Server-Sent Events: `status`, `progress`, `output` (`{"delta": "…"}`), and `end` with the final task.

    A stream that breaks is resumed by `Last-Event-ID`, at any API process, without loss or repeat. An attempt that
    follows another starts its output anew: its `status` says so. `gap`: output was lost; the result has it.
    """
    after = _place(request, starting_after, Place.parse) or Place()
    stream = TaskStream(caller.stores, caller.tenant_id, task_id, after, with_traceback=caller.is_admin)
    if not await stream.has_more():
        return Response(status_code=204)
    return EventStream(stream.events(), caller.house.streams.take(caller.principal))


@router.get(
    "/events",
    summary="Follow all tasks",
    response_class=EventStreamAnswer,
    responses={**_streams(FEED_EXAMPLE), **problems(429)},
    openapi_extra=takes(LAST_EVENT_ID),
)
async def follow_all(
    request: Request,
    caller: Reader,
    starting_after: StartingAfter = None,
    type: Many = None,
    queue: Many = None,
    status: Annotated[list[Status] | None, Query(description="Any of these; repeat the parameter.")] = None,
) -> Response:
    """What happens to the tenant's tasks from now on: `submitted`, `started`, `succeeded`, `retried`, `failed`,
    `cancelled`, `lost`, with `wait` and `duration` in seconds. `gap`: something was missed, perhaps.
    """
    after = _place(request, starting_after, FeedPlace.parse)
    wanted = FeedFilter(frozenset(type or ()), frozenset(queue or ()), frozenset(map(str, status or ())))
    events = follow_feed(caller.stores, caller.tenant_id, wanted, after)
    return EventStream(events, caller.house.streams.take(caller.principal))


def _place(request: Request, starting_after: str | None, parse: Callable[[str], P]) -> P | None:
    """Where to go on. Raises: Problem (400)."""
    given = request.headers.get("last-event-id") or starting_after
    if given is None:
        return None
    try:
        return parse(given)
    except ValueError:
        raise Problem("invalid_event_id", "Use the id of an event as it was sent, or none.") from None
