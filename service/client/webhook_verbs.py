"""What can be asked about webhooks: flows for both clients, as in ``verbs``. Submit takes the ``callback_url``."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from service.client.calls import Call, Feed, Flow, Reply, exchange
from service.client.models import Delivery, Page, WebhookSecret
from service.client.paging import listed

DELIVERIES = "/api/v1/deliveries"
SECRET = "/api/v1/webhooks/secret"  # noqa: S105 # nosec B105 # a path


def deliveries(task_id: str) -> Flow[list[Delivery]]:
    """The task's webhooks, one a generation that ended, oldest first."""
    return exchange(Call("GET", f"/api/v1/tasks/{quote(task_id, safe='')}/deliveries", _deliveries))


def all_deliveries(*, state: str | Sequence[str] | None = None) -> Feed[Delivery]:
    """The webhooks of all tasks and workflows, newest first, page by page; ``state``: only those in one of these."""
    return listed(DELIVERIES, Delivery, filters={"state": state} if state else {})


def replay_delivery(delivery_id: str) -> Flow[Delivery]:
    """Send a webhook again, under its own id. Raises: ConflictError, while an attempt is under way."""
    return exchange(Call("POST", f"{DELIVERIES}/{quote(delivery_id, safe='')}/replay", _delivery))


def webhook_secret() -> Flow[WebhookSecret]:
    """What receivers verify with; needs the scope ``admin``."""
    return exchange(Call("GET", SECRET, _secret))


def rotate_webhook_secret() -> Flow[WebhookSecret]:
    """Make a new one; the one before signs for 24 h more. Raises: ConflictError, where five sign already."""
    return exchange(Call("POST", f"{SECRET}/rotate", _secret))


def _deliveries(reply: Reply) -> list[Delivery]:
    return Page[Delivery].model_validate_json(reply.body).data


def _delivery(reply: Reply) -> Delivery:
    return Delivery.model_validate_json(reply.body)


def _secret(reply: Reply) -> WebhookSecret:
    return WebhookSecret.model_validate_json(reply.body)
