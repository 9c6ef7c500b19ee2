"""Schedules: make, read, change, pause, remove, and run one now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from service.creation import accepted, answered, created, store_once
from service.dependencies import NO_BODY, Reader, Writer
from service.idempotency import digest_of, key_of
from service.pagination import DEFAULT_LIMIT, Cursor, Limit
from service.planning import traceparent_of
from service.preferences import etag_of, matches
from service.problems import Problem, invalid
from service.schemas.bodies import NOTHING
from service.schemas.headers import IDEMPOTENCY_KEY, IF_NONE_MATCH, TRACEPARENT, takes
from service.schemas.responses import problems
from service.schemas.schedules import SchedulePage, SchedulePatch, ScheduleRequest, ScheduleView
from service.schemas.tasks import TaskView
from service.strict_route import StrictRoute
from service.views import TASKS_PATH, json_answer, to_json
from shared.domain.errors import UnknownTaskType
from shared.domain.schedule import CatchUp, Schedule
from shared.queue.idempotency import Answer, once
from shared.queue.schedules import Wanted
from shared.queue.submit import submit

PATH = "/api/v1/schedules"
router = APIRouter(prefix=PATH, tags=["schedules"], route_class=StrictRoute)

NULLABLE = frozenset({"cron", "every", "queue"})


@router.post(
    "",
    summary="Create a schedule",
    status_code=201,
    response_model=ScheduleView,
    response_description="It ticks from now on.",
    responses=problems(409),
    openapi_extra=takes(IDEMPOTENCY_KEY),
)
async def create_schedule(request: Request, caller: Writer, body: ScheduleRequest) -> Response:
    """Makes one task at each tick, however many workers run. 409 where the name is taken."""
    key = key_of(request)
    wanted = _wanted(body)

    async def create(session: AsyncSession) -> Answer:
        made = await caller.house.schedules.create(session, caller.tenant_id, wanted, caller.actor)
        return created(schedule_view(made), {"Location": f"{PATH}/{made.id}"})

    with _type_pointed_at():
        if key is None:
            async with caller.stores.db.transaction() as session:
                return answered(await create(session))
        digest = digest_of("POST", request.url.path, await request.json())
        return answered(await once(caller.stores, caller.tenant_id, key, digest, create))


@router.get("", summary="List schedules", response_model=SchedulePage, response_description="A page.")
async def read_schedules(
    request: Request, caller: Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """Newest first. The service's own maintenance comes last, as `built_in`."""
    cursors = caller.house.schedule_cursors
    found = await caller.house.schedules.page(caller.tenant_id, limit=limit + 1, before=cursors.read(cursor))
    return cursors.page(request, PATH, found, limit, schedule_view)


@router.get(
    "/{schedule_id}",
    summary="Read a schedule",
    response_model=ScheduleView,
    response_description="The schedule.",
    responses={304: {"description": "Not changed since the ETag in `If-None-Match`."}, **problems(404)},
    openapi_extra=takes(IF_NONE_MATCH),
)
async def read_schedule(request: Request, caller: Reader, schedule_id: UUID) -> Response:
    """The schedule with its next and its last run."""
    body = to_json(schedule_view(await caller.house.schedules.get(caller.tenant_id, schedule_id)))
    headers = {"ETag": etag_of(body), "Cache-Control": "no-cache"}
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@router.patch(
    "/{schedule_id}",
    summary="Change a schedule",
    response_model=ScheduleView,
    response_description="As it is now.",
    responses=problems(404, 409),
)
async def change_schedule(caller: Writer, schedule_id: UUID, body: SchedulePatch) -> Response:
    """Changes what is given; once answered, no tick of before is made any more. `enabled: false` pauses it."""
    changes = body.changes()
    if nulls := [
        (f"/{n}", "Leave it out, or give a value.") for n, v in changes.items() if v is None and n not in NULLABLE
    ]:
        raise invalid(nulls)
    schedules = caller.house.schedules
    if not caller.is_admin and (await schedules.get(caller.tenant_id, schedule_id)).is_builtin:
        raise Problem("forbidden", "Maintenance of the service needs a key with the scope 'admin'.")
    if "catch_up" in changes:
        changes["catch_up"] = CatchUp(changes["catch_up"])
    with _type_pointed_at():
        return json_answer(schedule_view(await schedules.change(caller.tenant_id, schedule_id, changes, caller.actor)))


@router.delete(
    "/{schedule_id}",
    summary="Delete a schedule",
    status_code=204,
    response_description="It is gone.",
    responses=problems(404, 409),
    dependencies=[NO_BODY],
)
async def delete_schedule(caller: Writer, schedule_id: UUID) -> Response:
    """Removes the schedule; tasks it made stay. 409 where it is built in."""
    await caller.house.schedules.delete(caller.tenant_id, schedule_id, caller.actor)
    return Response(status_code=204)


@router.post(
    "/{schedule_id}/run",
    summary="Run a schedule now",
    status_code=201,
    response_model=TaskView,
    response_description="Its task is stored, and will run.",
    responses={
        200: {"model": TaskView, "description": "One with its unique key was there already."},
        **problems(404, 409),
    },
    dependencies=[NO_BODY],
    openapi_extra={**NOTHING, **takes(IDEMPOTENCY_KEY, TRACEPARENT)},
)
async def run_schedule(request: Request, caller: Writer, schedule_id: UUID) -> Response:
    """Makes a task at once, paused or not; its ticks go on as before."""
    key = key_of(request)
    with _type_pointed_at():
        planned = await caller.house.schedules.plan_run(caller.tenant_id, schedule_id)
    new = planned._replace(request_id=caller.request_id, traceparent=traceparent_of(request))
    if key is None:
        [task] = await submit(caller.stores, caller.tenant_id, [new])
        return answered(accepted(new, task))
    digest = digest_of("POST", request.url.path, {})
    return answered(await store_once(caller, key, digest, [new], lambda stored: accepted(new, stored[0])))


def schedule_view(schedule: Schedule) -> dict[str, Any]:
    """A schedule as the contract shows it."""
    path = f"{PATH}/{schedule.id}"
    return {
        "id": schedule.id,
        "name": schedule.name,
        "cron": schedule.cron,
        "every": schedule.every,
        "timezone": schedule.timezone,
        "type": schedule.type,
        "input": schedule.input,
        "queue": schedule.queue,
        "enabled": schedule.enabled,
        "catch_up": schedule.catch_up,
        "built_in": schedule.is_builtin,
        "next_run": schedule.next_run,
        "last_run": schedule.last_run,
        "created_at": schedule.created_at,
        "updated_at": schedule.updated_at,
        "links": {
            "self": path,
            "run": f"{path}/run",
            "tasks": f"{TASKS_PATH}?{urlencode({'tag': f'schedule:{schedule.name}'})}",
        },
    }


def _wanted(body: ScheduleRequest) -> Wanted:
    given = {name: value for name, value in body.model_dump().items() if value is not None}
    if "catch_up" in given:
        given["catch_up"] = CatchUp(given["catch_up"])
    return Wanted(**given)


@contextmanager
def _type_pointed_at() -> Iterator[None]:
    try:
        yield
    except UnknownTaskType as error:
        raise Problem(error.code, str(error), errors=[("/type", str(error))]) from None
