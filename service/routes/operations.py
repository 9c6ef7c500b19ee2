"""Operations: how far a bulk verb has come, and an end to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from service.dependencies import NO_BODY, Reader, Writer
from service.pagination import DEFAULT_LIMIT, Cursor, Limit
from service.schemas.bodies import NOTHING
from service.schemas.bulk import OperationPage, OperationView
from service.schemas.responses import problems
from service.strict_route import StrictRoute
from service.views import json_answer
from shared.domain.operations import BulkAction, Counted, Operation, OperationState, Selection, spelled
from shared.queue.operations import cancel_operation, get_operation, list_operations

PATH = "/api/v1/operations"
AGAIN_SECONDS = "1"
router = APIRouter(prefix=PATH, tags=["bulk"], route_class=StrictRoute)


@router.get("", summary="List operations", response_model=OperationPage, response_description="A page.")
async def read_operations(
    request: Request, caller: Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """Newest first. They are kept for a week after their end."""
    cursors = caller.house.operation_cursors
    found = await list_operations(caller.stores, caller.tenant_id, limit=limit + 1, before=cursors.read(cursor))
    return cursors.page(request, PATH, found, limit, operation_view)


@router.get(
    "/{operation_id}",
    summary="Read an operation",
    response_model=OperationView,
    response_description="The operation.",
    responses=problems(404),
)
async def read_operation(caller: Reader, operation_id: UUID) -> Response:
    """How far it has come. Its counts grow until it is `done`."""
    operation = await get_operation(caller.stores, caller.tenant_id, operation_id)
    is_running = operation.state is OperationState.RUNNING
    return json_answer(operation_view(operation), headers={"Retry-After": AGAIN_SECONDS} if is_running else None)


@router.post(
    "/{operation_id}/cancel",
    summary="Cancel an operation",
    response_model=OperationView,
    response_description="No task is touched any more.",
    responses=problems(404, 409),
    dependencies=[NO_BODY],
    openapi_extra=NOTHING,
)
async def stop_operation(caller: Writer, operation_id: UUID) -> Response:
    """Ends it where it is: what was done stays done. 409 where it is over."""
    return operation_answer(await cancel_operation(caller.stores, caller.tenant_id, operation_id, caller.actor))


def operation_answer(operation: Operation, more: Mapping[str, str] | None = None) -> Response:
    """200 where it is over, 202 while it runs."""
    headers = {"Location": f"{PATH}/{operation.id}", **(more or {})}
    if operation.state is OperationState.RUNNING:
        return json_answer(operation_view(operation), 202, {**headers, "Retry-After": AGAIN_SECONDS})
    return json_answer(operation_view(operation), headers=headers)


def operation_view(operation: Operation) -> dict[str, Any]:
    """An operation as the contract shows it."""
    path = f"{PATH}/{operation.id}"
    total = operation.total
    if total is None and operation.state is OperationState.DONE:
        total = operation.matched
    return {
        "id": operation.id,
        "action": operation.action,
        "state": operation.state,
        "dry_run": False,
        "filter": None if operation.filter is None else spelled(operation.filter),
        "total": total,
        "matched": operation.matched,
        "done": operation.done,
        "skipped": operation.skipped,
        "is_lower_bound": False,
        "created_at": operation.created_at,
        "updated_at": operation.updated_at,
        "finished_at": operation.finished_at,
        "links": {"self": path, "cancel": f"{path}/cancel"},
    }


def counted_view(action: BulkAction, chosen: Selection, found: Counted) -> dict[str, Any]:
    """A dry run, in the form of the operation it would be."""
    return {
        "id": None,
        "action": action,
        "state": OperationState.DONE,
        "dry_run": True,
        "filter": None if chosen.ids is not None else spelled(chosen.wanted),
        "total": None if found.is_lower_bound else found.matched if chosen.ids is None else len(chosen.ids),
        "matched": found.matched,
        "done": 0,
        "skipped": found.skipped,
        "is_lower_bound": found.is_lower_bound,
        "created_at": None,
        "updated_at": None,
        "finished_at": None,
        "links": None,
    }
