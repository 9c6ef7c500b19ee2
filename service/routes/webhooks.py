"""Webhooks: what became of events, sending one again, and the secret that signs them."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from service.dependencies import NO_BODY, Admin, Caller, Reader, Writer
from service.pagination import DEFAULT_LIMIT, Cursor, Limit
from service.problems import Problem
from service.schemas.bodies import NOTHING
from service.schemas.responses import problems
from service.schemas.webhooks import DeliveryList, DeliveryPage, DeliveryView, WebhookSecretView
from service.strict_route import StrictRoute
from service.views import json_answer
from shared.domain.webhooks import Delivery, DeliveryState
from shared.queue.webhook_secrets import WebhookSecret, rotate_secret, valid_secrets
from shared.queue.webhooks import deliveries_of, delivery_page, replay

router = APIRouter(prefix="/api/v1", tags=["webhooks"], route_class=StrictRoute)

DELIVERIES_PATH = "/api/v1/deliveries"
NO_STORE = {"Cache-Control": "no-store"}


@router.get(
    "/tasks/{task_id}/deliveries",
    summary="List a task's webhooks",
    response_model=DeliveryList,
    response_description="One a generation that ended.",
    responses=problems(404),
)
async def read_deliveries(caller: Reader, task_id: UUID) -> Response:
    """Every webhook of the task, oldest first, with its last attempts. Empty without a `callback_url`."""
    found = await deliveries_of(caller.stores, caller.tenant_id, task_id)
    return json_answer({"data": [delivery_view(delivery) for delivery in found]})


@router.get(
    "/deliveries",
    summary="List webhooks",
    response_model=DeliveryPage,
    response_description="A page, newest first.",
)
async def read_all_deliveries(
    request: Request,
    caller: Reader,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = None,
    state: Annotated[list[DeliveryState] | None, Query(description="Any of these; repeat the parameter.")] = None,
) -> Response:
    """The webhooks of all tasks and workflows, newest first. `state=failed` are those that nobody tries any more."""
    cursors = caller.house.delivery_cursors
    before = cursors.read(cursor)
    found = await delivery_page(caller.stores, caller.tenant_id, state or (), limit=limit + 1, before=before)
    return cursors.page(request, DELIVERIES_PATH, found, limit, delivery_view)


@router.post(
    "/deliveries/{delivery_id}/replay",
    summary="Send a webhook again",
    response_model=DeliveryView,
    response_description="It is due now.",
    responses=problems(404, 409),
    dependencies=[NO_BODY],
    openapi_extra=NOTHING,
)
async def replay_delivery(caller: Writer, delivery_id: UUID) -> Response:
    """Sends it at once, under the same id and with the whole schedule before it; 409 while an attempt is under way."""
    return json_answer(delivery_view(await replay(caller.stores, caller.tenant_id, delivery_id, caller.actor)))


@router.get(
    "/webhooks/secret",
    summary="Read the webhook secret",
    response_model=WebhookSecretView,
    response_description="The current one, and those that still sign.",
)
async def read_secret(caller: Admin) -> Response:
    """What receivers verify the signatures with. The first call makes it."""
    refuse_without_key(caller)
    return json_answer(_secret_view(await valid_secrets(caller.stores, caller.tenant_id)), headers=NO_STORE)


@router.post(
    "/webhooks/secret/rotate",
    summary="Rotate the webhook secret",
    response_model=WebhookSecretView,
    response_description="The new one signs, and the one before for 24 h more.",
    responses=problems(409),
    dependencies=[NO_BODY],
    openapi_extra=NOTHING,
)
async def rotate(caller: Admin) -> Response:
    """Every webhook then carries both signatures for 24 h. 409 where five secrets sign already."""
    refuse_without_key(caller)
    return json_answer(
        _secret_view(await rotate_secret(caller.stores, caller.tenant_id, caller.actor)), headers=NO_STORE
    )


def refuse_without_key(caller: Caller) -> None:
    """Raises: Problem (422)."""
    if caller.house.settings.secret_key is None:
        raise Problem("not_available", "Webhooks are signed: set TASKRUNNER_SECRET_KEY for the API and all workers.")


def delivery_view(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "task": delivery.task_id,
        "workflow": delivery.workflow_id,
        "generation": delivery.generation,
        "type": delivery.type,
        "url": delivery.url,
        "state": delivery.state,
        "attempt": delivery.attempt,
        "created_at": delivery.created_at,
        "due_at": delivery.due_at,
        "finished_at": delivery.finished_at,
        "attempts": delivery.attempts,
    }


def _secret_view(secrets: list[WebhookSecret]) -> dict[str, Any]:
    current, *previous = secrets
    return {
        "secret": current.text,
        "created_at": current.created_at,
        "previous": [{"secret": secret.text, "expires_at": secret.expires_at} for secret in previous],
    }
