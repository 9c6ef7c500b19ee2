"""Many tasks: the list, and the batch."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.creation import answered, created, store_once
from service.dependencies import Caller, Reader, Writer
from service.idempotency import digest_of, key_of
from service.pagination import DEFAULT_LIMIT, Cursor, Limit
from service.planning import Refused, all_of, plan_task, traceparent_of
from service.problems import MAX_ERRORS
from service.schemas.base import FilterText, Instant
from service.schemas.headers import IDEMPOTENCY_KEY, TRACEPARENT, takes
from service.schemas.responses import problems
from service.schemas.tasks import BatchRequest, BatchView, TaskPage
from service.strict_route import StrictRoute
from service.views import TASKS_PATH, task_view
from shared.db.session import LONG_SECONDS
from shared.domain.states import Status
from shared.domain.task import NewTask, Task, TaskFilter
from shared.queue.idempotency import Answer
from shared.queue.lookup import list_tasks
from shared.queue.submit import submit

router = APIRouter(prefix=TASKS_PATH, tags=["tasks"], route_class=StrictRoute)

PLANNED_AT_ONCE = 200
"""Planning takes some 10 µs a task: others get a turn in between."""

Many = Annotated[list[FilterText] | None, Query(max_length=50, description="Any of these; repeat the parameter.")]


@router.get("", summary="List tasks", response_model=TaskPage, response_description="A page.")
async def read_tasks(
    request: Request,
    caller: Reader,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    status: Annotated[list[Status] | None, Query(description="Any of these; repeat the parameter.")] = None,
    type: Many = None,
    queue: Many = None,
    tag: Many = None,
    created_after: Annotated[Instant | None, Query(description="Created after this time.")] = None,
    created_before: Annotated[Instant | None, Query(description="Created before this time.")] = None,
) -> Response:
    """Newest first. Follow `next_cursor`, or the `Link` header, for more: a page of large tasks ends before `limit`."""
    cursors = caller.house.task_cursors
    wanted = TaskFilter(
        statuses=tuple(dict.fromkeys(status or ())),
        types=tuple(type or ()),
        queues=tuple(queue or ()),
        tags=tuple(tag or ()),
        created_after=created_after,
        created_before=created_before,
    )
    before = cursors.read(cursor)
    page, has_more = await list_tasks(caller.stores, caller.tenant_id, wanted, limit=limit, before=before)
    view = partial(task_view, with_traceback=caller.is_admin)
    return cursors.cut_page(request, TASKS_PATH, page, view, has_more=has_more)


@router.post(
    "/batch",
    summary="Submit many tasks",
    status_code=201,
    response_model=BatchView,
    response_description="All are stored; in the order asked.",
    responses=problems(409),
    openapi_extra=takes(IDEMPOTENCY_KEY, TRACEPARENT),
)
async def create_batch(
    request: Request,
    caller: Writer,
    body: BatchRequest,
) -> Response:
    """Accepts up to 10,000 tasks, all of them or none; a problem names the index of its task.

    One whose unique key another task has, that waits or runs, is that task: `existing`.
    """
    key = key_of(request)
    planned = await _plan_all(caller, body, traceparent_of(request))
    if key is None:
        return answered(_created(planned, await submit(caller.stores, caller.tenant_id, planned)))
    digest = digest_of("POST", request.url.path, await request.json())
    answer_of = partial(_created, planned)
    return answered(await store_once(caller, key, digest, planned, answer_of, within=LONG_SECONDS))


async def _plan_all(caller: Caller, body: BatchRequest, traceparent: str | None) -> list[NewTask]:
    """Every task planned. Raises: Problem, with the first hundred errors."""
    planned: list[NewTask] = []
    refusals: list[Refused] = []
    for index, asked in enumerate(body.tasks):
        try:
            planned.append(plan_task(caller, asked, traceparent, at=f"/tasks/{index}"))
        except Refused as refused:
            refusals.append(refused)
            if len(refusals) >= MAX_ERRORS:
                break
        if index % PLANNED_AT_ONCE == 0:
            await asyncio.sleep(0)
    if refusals:
        raise all_of(refusals)
    return planned


def _created(planned: list[NewTask], stored: list[Task]) -> Answer:
    pairs = zip(planned, stored, strict=True)
    data = [_item(task) if task.id == new.id else {**_item(task), "existing": True} for new, task in pairs]
    return created({"data": data}, {})


def _item(task: Task) -> dict[str, Any]:
    return {"id": task.id, "status": task.status}
