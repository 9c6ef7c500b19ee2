"""Workflows: submit a graph of tasks, read it, cancel and retry the whole."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.responses import Response

from service.creation import answered, created
from service.dependencies import NO_BODY, Caller, Reader, Writer
from service.idempotency import digest_of, key_of
from service.pagination import DEFAULT_LIMIT, Cursor, Limit
from service.planning import traceparent_of
from service.preferences import etag_of, matches
from service.routes.webhooks import delivery_view
from service.schemas.bodies import NOTHING
from service.schemas.headers import IDEMPOTENCY_KEY, IF_NONE_MATCH, TRACEPARENT, takes
from service.schemas.responses import problems
from service.schemas.webhooks import DeliveryList
from service.schemas.workflows import WorkflowPage, WorkflowRequest, WorkflowView
from service.strict_route import StrictRoute
from service.views import error_view, json_answer, to_json, workflow_view
from service.workflow_planning import plan_workflow
from shared.db.session import LONG_SECONDS
from shared.domain.views import WORKFLOWS_PATH
from shared.domain.workflow import Node
from shared.queue import workflows
from shared.queue.idempotency import Answer, once
from shared.queue.webhooks import deliveries_of_workflow
from shared.queue.workflows import Shown

router = APIRouter(prefix=WORKFLOWS_PATH, tags=["workflows"], route_class=StrictRoute)


@router.post(
    "",
    summary="Submit a workflow",
    status_code=201,
    response_model=WorkflowView,
    response_description="It is stored whole, and begins.",
    responses=problems(409),
    openapi_extra=takes(IDEMPOTENCY_KEY, TRACEPARENT),
)
async def create_workflow(request: Request, caller: Writer, body: WorkflowRequest) -> Response:
    """Runs tasks in the order of a graph, and hands results on. A problem names the node and the place in it."""
    key = key_of(request)
    new = await plan_workflow(caller, body, traceparent_of(request))
    if key is None:
        return answered(_created(caller, await workflows.submit(caller.stores, caller.tenant_id, new)))
    stored: list[Shown] = []

    async def create(session: AsyncSession) -> Answer:
        stored.append(await workflows.store(session, caller.tenant_id, new))
        return _created(caller, stored[0])

    digest = digest_of("POST", request.url.path, await request.json())
    answer = await once(caller.stores, caller.tenant_id, key, digest, create, within=LONG_SECONDS)
    if not answer.is_replay:
        workflows.announce(caller.stores, stored[0].fresh)
    return answered(answer)


@router.get("", summary="List workflows", response_model=WorkflowPage, response_description="A page.")
async def read_workflows(
    request: Request, caller: Reader, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = None
) -> Response:
    """Newest first, without their nodes."""
    cursors = caller.house.workflow_cursors
    found = await workflows.page(caller.stores, caller.tenant_id, limit=limit + 1, before=cursors.read(cursor))
    return cursors.page(request, WORKFLOWS_PATH, found, limit, workflow_view)


@router.get(
    "/{workflow_id}",
    summary="Read a workflow",
    response_model=WorkflowView,
    response_description="The workflow.",
    responses={304: {"description": "Not changed since the ETag in `If-None-Match`."}, **problems(404)},
    openapi_extra=takes(IF_NONE_MATCH),
)
async def read_workflow(request: Request, caller: Reader, workflow_id: UUID) -> Response:
    """The workflow with each of its nodes, in the order they were given."""
    body = to_json(_view(caller, await workflows.get(caller.stores, caller.tenant_id, workflow_id)))
    headers = {"ETag": etag_of(body), "Cache-Control": "no-cache"}
    if matches(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type="application/json")


@router.post(
    "/{workflow_id}/cancel",
    summary="Cancel a workflow",
    response_model=WorkflowView,
    response_description="Nothing of it ran, and it is cancelled.",
    responses={
        202: {"model": WorkflowView, "description": "Some of it runs: its workers are told."},
        **problems(404, 409),
    },
    dependencies=[NO_BODY],
    openapi_extra=NOTHING,
)
async def cancel_workflow(caller: Writer, workflow_id: UUID) -> Response:
    """Cancels what waits, and asks what runs to stop; what completed stays. 409 where it is final."""
    shown = await workflows.cancel(caller.stores, caller.tenant_id, workflow_id)
    status = 200 if shown.workflow.finished_at else 202
    return json_answer(_view(caller, shown), status, _place(shown))


@router.post(
    "/{workflow_id}/retry",
    summary="Retry a workflow",
    response_model=WorkflowView,
    response_description="What did not complete begins anew.",
    responses=problems(404, 409),
    dependencies=[NO_BODY],
    openapi_extra=NOTHING,
)
async def retry_workflow(caller: Writer, workflow_id: UUID) -> Response:
    """Does again, by new tasks, what FAILED or was CANCELLED; completed nodes keep their results."""
    shown = await workflows.retry(caller.stores, caller.tenant_id, workflow_id)
    return json_answer(_view(caller, shown), headers=_place(shown))


@router.get(
    "/{workflow_id}/deliveries",
    summary="List a workflow's webhooks",
    response_model=DeliveryList,
    response_description="One a generation that ended.",
    responses=problems(404),
)
async def read_deliveries_of_workflow(caller: Reader, workflow_id: UUID) -> Response:
    """Every webhook of the whole, oldest first. Empty without a `callback_url`; those of its tasks are theirs."""
    found = await deliveries_of_workflow(caller.stores, caller.tenant_id, workflow_id)
    return json_answer({"data": [delivery_view(delivery) for delivery in found]})


def _view(caller: Caller, shown: Shown) -> dict[str, Any]:
    nodes = {node.name: _node_view(node, is_admin=caller.is_admin) for node in shown.nodes}
    return {**workflow_view(shown.workflow), "nodes": nodes}


def _node_view(node: Node, *, is_admin: bool) -> dict[str, Any]:
    return {
        "status": node.status,
        "type": node.type,
        "after": node.after,
        "on_failure": node.on_failure,
        "task": node.task_id,
        "attempt": node.attempt,
        "error": error_view(node.error, with_traceback=is_admin),
        "started_at": node.started_at,
        "finished_at": node.finished_at,
    }


def _created(caller: Caller, shown: Shown) -> Answer:
    return created(_view(caller, shown), _place(shown))


def _place(shown: Shown) -> dict[str, str]:
    return {"Location": f"{WORKFLOWS_PATH}/{shown.workflow.id}"}
