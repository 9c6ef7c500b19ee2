"""Bodies of the webhook routes: deliveries, and the secrets that sign them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from service.schemas.base import View
from shared.domain.webhooks import DeliveryState


class DeliveryAttemptView(View):
    at: datetime
    status: int | None = Field(description="What the receiver answered; null where no answer came.")
    error: str | None
    duration: float


class DeliveryView(View):
    id: UUID = Field(description="The `webhook-id`: the same at every attempt and replay.")
    task: UUID | None = Field(description="The task whose end it tells, or null.")
    workflow: UUID | None = Field(description="The workflow whose end it tells, or null.")
    generation: int
    type: str = Field(description="`task.` or `workflow.`, and `completed`, `failed` or `cancelled`.")
    url: str
    state: DeliveryState
    attempt: int = Field(description="Attempts made so far.")
    created_at: datetime
    due_at: datetime | None = Field(description="When the next attempt may begin; null once none is planned.")
    finished_at: datetime | None
    attempts: list[DeliveryAttemptView] = Field(description="The last 20, oldest first.")


class DeliveryList(View):
    data: list[DeliveryView]


class RetiringSecretView(View):
    secret: str
    expires_at: datetime


class WebhookSecretView(View):
    secret: str = Field(description="`whsec_` and base64, as the libraries of Standard Webhooks take it.")
    created_at: datetime
    previous: list[RetiringSecretView] = Field(description="Rotated out, and still signing until they expire.")
