"""Bodies of the webhook routes: deliveries, and the secrets that sign them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from service.schemas.base import NextCursor, View
from shared.domain.webhooks import DeliveryState


class DeliveryAttemptView(View):
    """One attempt to deliver."""

    at: datetime = Field(description="When it began.")
    status: int | None = Field(description="What the receiver answered; null where no answer came.")
    error: str | None = Field(description="Why it failed; null where it did not.")
    duration: float = Field(description="Seconds.")


class DeliveryView(View):
    """A webhook: the end of a task or workflow, told to its `callback_url`."""

    id: UUID = Field(description="The `webhook-id`: the same at every attempt and replay.")
    task: UUID | None = Field(description="The task whose end it tells, or null.")
    workflow: UUID | None = Field(description="The workflow whose end it tells, or null.")
    generation: int = Field(description="The generation that ended.")
    type: str = Field(description="`task.` or `workflow.`, and `completed`, `failed` or `cancelled`.")
    url: str = Field(description="Where it is sent.")
    state: DeliveryState = Field(description="How it stands.")
    attempt: int = Field(description="Attempts made so far.")
    created_at: datetime = Field(description="When it was made: at the end it tells.")
    due_at: datetime | None = Field(description="When the next attempt may begin; null once none is planned.")
    finished_at: datetime | None = Field(description="When it was delivered or given up; null until then.")
    attempts: list[DeliveryAttemptView] = Field(description="The last 20, oldest first.")


class DeliveryList(View):
    """The webhooks of a task or workflow."""

    data: list[DeliveryView] = Field(description="Oldest first.")


class DeliveryPage(View):
    """Webhooks of all tasks and workflows."""

    data: list[DeliveryView] = Field(description="Newest first.")
    next_cursor: NextCursor


class RetiringSecretView(View):
    """A secret that was rotated out."""

    secret: str = Field(description="`whsec_` and base64.")
    expires_at: datetime = Field(description="Until then it signs.")


class WebhookSecretView(View):
    """What signs the webhooks of a tenant."""

    secret: str = Field(description="`whsec_` and base64, as the libraries of Standard Webhooks take it.")
    created_at: datetime = Field(description="When it was made.")
    previous: list[RetiringSecretView] = Field(description="Rotated out, and still signing until they expire.")
