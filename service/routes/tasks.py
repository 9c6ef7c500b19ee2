"""One task: submit, read, wait, cancel, retry, and its attempts."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.connected import while_connected
from service.creation import EXISTING, REPLAYED, accepted, answered, store_once
from service.dependencies import NO_BODY, Caller, Reader, Writer
from service.idempotency import digest_of, key_of
from service.planning import Refused, plan_task, traceparent_of
from service.preferences import MAX_WAIT_SECONDS, etag_of, matches, preferred_wait, retry_after
from service.schemas.bodies import NOTHING
from service.schemas.headers import IDEMPOTENCY_KEY, IF_NONE_MATCH, PREFER, TRACEPARENT, takes
from service.schemas.responses import problems
from service.schemas.tasks import AttemptList, TaskRequest, TaskView
from service.strict_route import StrictRoute
from service.views import attempt_view, json_answer, task_path, task_view, to_json
from shared.domain.errors import NotFound
from shared.queue.cancel import cancel
from shared.queue.idempotency import Answer
from shared.queue.lookup import get_task, list_attempts, wait_final
from shared.queue.retry import retry
from shared.queue.submit import submit

router = APIRouter(prefix="/api/v1/tasks", tags=["tasks"], route_class=StrictRoute)

ENDED_OR_EXISTING = (
    "It ended within `Prefer: wait`; or, with `Existing-Task`, one with its unique key was there already."
)
Wait = Annotated[int, Query(ge=0, le=MAX_WAIT_SECONDS, description="Seconds to wait for the task to be final.")]


@router.post(
    "",
    summary="Submit a task",
    status_code=201,
    response_model=TaskView,
    response_description="It is stored, and will run.",
    responses={200: {"model": TaskView, "description": ENDED_OR_EXISTING}, **problems(409)},
    openapi_extra=takes(IDEMPOTENCY_KEY, PREFER, TRACEPARENT),
)
async def create_task(
    request: Request,
    caller: Writer,
    body: TaskRequest,
) -> Response:
    """Accepts a task and answers at once; workers run it. With `Prefer: wait=N`, answers with its end if it is near."""
    key = key_of(request)
    try:
        new = plan_task(caller, body, traceparent_of(request))
    except Refused as refused:
        raise refused.problem() from None
    if key is None:
        [task] = await submit(caller.stores, caller.tenant_id, [new])
        answer = accepted(new, task)
    else:
        digest = digest_of("POST", request.url.path, await request.json())
        answer = await store_once(caller, key, digest, [new], lambda stored: accepted(new, stored[0]))
    wait = preferred_wait(request.headers.getlist("prefer"))
    if wait is None:
        return answered(answer)
    # A replay waits for the task of the first request, and who comes second for the one that was first.
    is_new = not answer.is_replay and not answer.headers.keys() & EXISTING
    task_id = new.id if is_new else UUID(orjson.loads(answer.body)["id"])
    return await _finished_or(answer, request, caller, task_id, wait)


async def _finished_or(answer: Answer, request: Request, caller: Caller, task_id: UUID, wait: int) -> Response:
    """200 with the task if it is final in time, else the 201. A replay may find it pruned: then as it was."""
    try:
        task = await while_connected(request, wait_final(caller.stores, caller.tenant_id, task_id, wait))
    except NotFound:
        return answered(answer)
    told = {name: value for name, value in answer.headers.items() if name in EXISTING}
    applied = {"Preference-Applied": f"wait={wait}", **told, **(REPLAYED if answer.is_replay else {})}
    if task.status.is_final:
        view = task_view(task, with_traceback=caller.is_admin)
        return json_answer(view, headers={"Location": task_path(task), **applied})
    response = answered(answer)
    response.headers.update(applied)
    return response


@router.get(
    "/{task_id}",
    summary="Read a task",
    response_model=TaskView,
    response_description="The task.",
    responses={304: {"description": "Not changed since the ETag in `If-None-Match`."}, **problems(404)},
    openapi_extra=takes(IF_NONE_MATCH),
)
async def read_task(
    request: Request,
    caller: Reader,
    task_id: UUID,
    wait: Wait = 0,
) -> Response:
    """The task as it is now; with `wait`, as soon as it is final, or after so many seconds."""
    if wait:
        task = await while_connected(request, wait_final(caller.stores, caller.tenant_id, task_id, wait))
    else:
        task = await get_task(caller.stores, caller.tenant_id, task_id)
    waits_for = await caller.house.serving.why_waiting(task) if task.status.is_waiting else None
    body = to_json(task_view(task, with_traceback=caller.is_admin, waits_for=waits_for))
    headers = {"ETag": etag_of(body), "Cache-Control": "no-cache"}
    if not task.status.is_final:
        headers["Retry-After"] = retry_after(task)
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@router.get(
    "/{task_id}/attempts",
    summary="List a task's attempts",
    response_model=AttemptList,
    response_description="Every run of it.",
    responses=problems(404),
)
async def read_attempts(caller: Reader, task_id: UUID) -> Response:
    """Every run of the task, oldest first, with how it ended."""
    attempts = await list_attempts(caller.stores, caller.tenant_id, task_id)
    return json_answer({"data": [attempt_view(a, with_traceback=caller.is_admin) for a in attempts]})


@router.post(
    "/{task_id}/cancel",
    summary="Cancel a task",
    response_model=TaskView,
    response_description="It waited, and is cancelled.",
    responses={202: {"model": TaskView, "description": "It runs: its worker is told."}, **problems(404, 409)},
    dependencies=[NO_BODY],
    openapi_extra=NOTHING,
)
async def cancel_task(caller: Writer, task_id: UUID) -> Response:
    """200 and CANCELLED where the task waited; 202 where it runs, and its worker is told; 409 where it is final."""
    task = await cancel(caller.stores, caller.tenant_id, task_id)
    view, place = task_view(task, with_traceback=caller.is_admin), {"Location": task_path(task)}
    if task.status.is_final:
        return json_answer(view, headers=place)
    return json_answer(view, 202, {**place, "Retry-After": retry_after(task)})


@router.post(
    "/{task_id}/retry",
    summary="Retry a task",
    response_model=TaskView,
    response_description="It waits again.",
    responses=problems(404, 409),
    dependencies=[NO_BODY],
    openapi_extra=NOTHING,
)
async def retry_task(caller: Writer, task_id: UUID) -> Response:
    """Sends a FAILED or CANCELLED task back to PENDING: next generation, attempts counted anew."""
    task = await retry(caller.stores, caller.tenant_id, task_id)
    return json_answer(task_view(task), headers={"Location": task_path(task), "Retry-After": retry_after(task)})
