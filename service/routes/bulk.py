"""One verb over many tasks: cancel, retry and delete, by ids or by a filter."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from service.creation import REPLAYED
from service.dependencies import Caller, Writer
from service.idempotency import digest_of, key_of
from service.problems import invalid
from service.routes.operations import counted_view, operation_answer, operation_view
from service.schemas.bulk import BulkRequest, OperationView
from service.schemas.headers import IDEMPOTENCY_KEY, takes
from service.schemas.responses import problems
from service.strict_route import StrictRoute
from service.views import json_answer, to_json
from shared.domain.operations import BulkAction, Operation, Selection
from shared.domain.task import TaskFilter
from shared.queue.bulk import begin, carry_on
from shared.queue.idempotency import Answer, once
from shared.queue.operations import get_operation
from shared.queue.survey import survey

router = APIRouter(prefix="/api/v1/tasks/bulk", tags=["bulk"], route_class=StrictRoute)

ACCEPTED = 202
EMPTY = 'An empty filter means every task: say "all": true beside it, if that is meant.'
DONE = "All were looked at; or, in a dry run, counted."
LEFT: dict[int | str, dict[str, Any]] = {
    ACCEPTED: {"model": OperationView, "description": "There are many: the workers go on. Read the operation."}
}


@router.post(
    "/cancel",
    summary="Cancel many tasks",
    response_model=OperationView,
    response_description=DONE,
    responses={**LEFT, **problems(409)},
    openapi_extra=takes(IDEMPOTENCY_KEY),
)
async def cancel_tasks(request: Request, caller: Writer, body: BulkRequest) -> Response:
    """What waits is CANCELLED at once, what runs is asked to stop, what is final is skipped."""
    return await _answered(request, caller, body, BulkAction.CANCEL)


@router.post(
    "/retry",
    summary="Retry many tasks",
    response_model=OperationView,
    response_description=DONE,
    responses={**LEFT, **problems(409)},
    openapi_extra=takes(IDEMPOTENCY_KEY),
)
async def retry_tasks(request: Request, caller: Writer, body: BulkRequest) -> Response:
    """FAILED and CANCELLED tasks wait again, in their next generation; any other is skipped."""
    return await _answered(request, caller, body, BulkAction.RETRY)


@router.post(
    "/delete",
    summary="Delete many tasks",
    response_model=OperationView,
    response_description=DONE,
    responses={**LEFT, **problems(409)},
    openapi_extra=takes(IDEMPOTENCY_KEY),
)
async def delete_tasks(request: Request, caller: Writer, body: BulkRequest) -> Response:
    """Final tasks are removed with their attempts and webhooks, for good; any other is skipped."""
    return await _answered(request, caller, body, BulkAction.DELETE)


async def _answered(request: Request, caller: Caller, body: BulkRequest, action: BulkAction) -> Response:
    key, chosen = key_of(request), _chosen(body)
    if body.dry_run:
        found = await survey(caller.stores, caller.tenant_id, action, chosen)
        return json_answer(counted_view(action, chosen, found))
    if key is None:
        async with caller.stores.db.transaction() as session:
            operation = await begin(session, caller.tenant_id, action, chosen, caller.actor)
        return operation_answer(await carry_on(caller.stores, operation))
    digest = digest_of("POST", request.url.path, await request.json())
    return await _once(caller, key, digest, action, chosen)


async def _once(caller: Caller, key: str, digest: bytes, action: BulkAction, chosen: Selection) -> Response:
    """A repeat is told how the operation of the first request stands, and goes on with it."""
    made: list[Operation] = []

    async def create(session: AsyncSession) -> Answer:
        made.append(await begin(session, caller.tenant_id, action, chosen, caller.actor))
        return Answer(ACCEPTED, {}, to_json(operation_view(made[0])))

    answer = await once(caller.stores, caller.tenant_id, key, digest, create)
    if not answer.is_replay:
        return operation_answer(await carry_on(caller.stores, made[0]))
    first = UUID(orjson.loads(answer.body)["id"])
    found = await get_operation(caller.stores, caller.tenant_id, first)
    return operation_answer(await carry_on(caller.stores, found), REPLAYED)


def _chosen(body: BulkRequest) -> Selection:
    """Raises: Problem (422), where it is not clear which tasks are meant."""
    if (body.ids is None) == (body.filter is None):
        raise invalid([("/ids", "Give either ids or filter.")])
    if body.filter is None:
        if body.all:
            raise invalid([("/all", "With ids, these are meant and no others: leave all out.")])
        return Selection(ids=tuple(sorted(set(body.ids or ()))))
    wanted = body.filter.wanted()
    is_empty = wanted == TaskFilter()
    if is_empty and not body.all:
        raise invalid([("/filter", EMPTY)])
    if body.all and not is_empty:
        raise invalid([("/all", "A filter that narrows does not mean all: leave one of the two out.")])
    return Selection(wanted=wanted)
