"""The tables of webhooks: salts of the tenants' secrets, and deliveries. Triggers write the latter as things end."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models import Base


class WebhookSecretRow(Base):
    """``expires_at`` is empty for the one secret that is not rotated out."""

    __tablename__ = "webhook_secrets"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    salt: Mapped[bytes] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[datetime | None]

    __table_args__ = (
        Index("webhook_secrets_current", "tenant_id", unique=True, postgresql_where=text("expires_at IS NULL")),
    )


class WebhookDeliveryRow(Base):
    """``due_at`` is when the next attempt may begin; while ``lease`` is set, when that lease ends.

    ``is_due`` is set once that moment has come: so the index of lanes holds nothing that would be passed by.
    """

    __tablename__ = "webhook_deliveries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    task_id: Mapped[UUID | None] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    workflow_id: Mapped[UUID | None] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"))
    generation: Mapped[int] = mapped_column(SmallInteger)
    type: Mapped[str]
    url: Mapped[str]
    endpoint: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="waiting")
    step: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    attempt: Mapped[int] = mapped_column(server_default="0")
    lease: Mapped[UUID | None]
    is_due: Mapped[bool] = mapped_column(server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    due_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    finished_at: Mapped[datetime | None]
    snapshot: Mapped[dict[str, Any]]
    attempts: Mapped[list[Any]] = mapped_column(JSONB, server_default="[]")

    __table_args__ = (
        UniqueConstraint("task_id", "generation"),
        CheckConstraint("(task_id IS NULL) <> (workflow_id IS NULL)", name="subject"),
        CheckConstraint("state IN ('waiting', 'delivered', 'failed', 'gone')", name="state"),
        CheckConstraint("lease IS NULL OR (state = 'waiting' AND NOT is_due)", name="lease"),
        CheckConstraint("state = 'waiting' OR NOT is_due", name="is_due"),
        CheckConstraint("(finished_at IS NULL) = (state = 'waiting')", name="finished_at"),
        Index("webhook_deliveries_lanes", "tenant_id", "endpoint", "due_at", postgresql_where=text("is_due")),
        Index("webhook_deliveries_later", "due_at", postgresql_where=text("state = 'waiting' AND NOT is_due")),
        Index(
            "webhook_deliveries_workflow",
            "workflow_id",
            "generation",
            unique=True,
            postgresql_where=text("workflow_id IS NOT NULL"),
        ),
        Index("webhook_deliveries_list", "tenant_id", "state", "id"),
        Index("webhook_deliveries_held", "tenant_id", "endpoint", postgresql_where=text("lease IS NOT NULL")),
    )
