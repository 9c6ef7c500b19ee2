"""The table of operations: one verb over many tasks, and how far it has come."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models import Base


class OperationRow(Base):
    """``cursor`` is the last task that was looked at; ``ids`` are forgotten when it is over."""

    __tablename__ = "operations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    action: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="running")
    ids: Mapped[list[UUID] | None] = mapped_column(ARRAY(Uuid()))
    filter: Mapped[dict[str, Any] | None]
    until: Mapped[UUID]
    cursor: Mapped[UUID]
    total: Mapped[int | None]
    matched: Mapped[int] = mapped_column(server_default="0")
    done: Mapped[int] = mapped_column(server_default="0")
    skipped: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("action IN ('cancel', 'retry', 'delete')", name="action"),
        CheckConstraint("state IN ('running', 'done', 'cancelled')", name="state"),
        CheckConstraint("(finished_at IS NULL) = (state = 'running')", name="finished_at"),
        Index("operations_list", "tenant_id", "id"),
        Index("operations_running", "id", postgresql_where=text("state = 'running'")),
        # Each step is a new version of the row.
        {"postgresql_with": {"fillfactor": 50}},
    )
