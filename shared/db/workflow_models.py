"""The tables of workflows. Functions of the database (in the migration) take them from step to step as tasks end."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, SmallInteger, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models import Base


class WorkflowRow(Base):
    """``total`` nodes, of which so many have ended how; its row's lock serialises whatever changes its nodes."""

    __tablename__ = "workflows"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str | None]
    generation: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    cancel_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    total: Mapped[int]
    completed: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    cancelled: Mapped[int] = mapped_column(server_default="0")
    callback_url: Mapped[str | None]
    request_id: Mapped[str | None]
    traceparent: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("(finished_at IS NOT NULL) = (completed + failed + cancelled = total)", name="finished_at"),
        Index("workflows_list", "tenant_id", "id"),
        Index("workflows_cancelling", "id", postgresql_where=text("cancel_requested AND finished_at IS NULL")),
        # Each statement that ends nodes is a new version of the row.
        {"postgresql_with": {"fillfactor": 50}},
    )


class WorkflowNodeRow(Base):
    """A task to be: ``spec`` are columns of its row, ``input`` a template that ``refs`` fill once it is released.

    ``pending`` counts the predecessors that have not ended; ``successors`` mirrors the ``after`` of others.
    """

    __tablename__ = "workflow_nodes"

    workflow_id: Mapped[UUID] = mapped_column(ForeignKey("workflows.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    place: Mapped[int]
    state: Mapped[str] = mapped_column(server_default="WAITING")
    pending: Mapped[int]
    on_failure: Mapped[str]
    task_id: Mapped[UUID | None]
    after: Mapped[list[str]]
    successors: Mapped[list[str]]
    spec: Mapped[dict[str, Any]]
    input: Mapped[dict[str, Any]]
    refs: Mapped[dict[str, Any] | None]

    __table_args__ = (
        CheckConstraint("state IN ('WAITING', 'RELEASED', 'COMPLETED', 'FAILED', 'CANCELLED')", name="state"),
        CheckConstraint(
            "CASE state WHEN 'WAITING' THEN task_id IS NULL WHEN 'CANCELLED' THEN true ELSE task_id IS NOT NULL END",
            name="task_id",
        ),
        CheckConstraint("pending >= 0", name="pending"),
        CheckConstraint("on_failure IN ('cancel', 'continue')", name="on_failure"),
        Index("workflow_nodes_task", "task_id", unique=True, postgresql_where=text("task_id IS NOT NULL")),
        Index("workflow_nodes_waiting", "workflow_id", postgresql_where=text("state = 'WAITING'")),
        {"postgresql_with": {"fillfactor": 80}},
    )
