"""The table of the audit log: one row for each thing an operator did."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models import Base


class AuditRow(Base):
    """``key_id`` is empty where no key was needed. It is no reference: the log outlives what it tells of."""

    __tablename__ = "audit_log"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    key_id: Mapped[str | None]
    action: Mapped[str]
    target: Mapped[str]
    details: Mapped[dict[str, Any]]
    request_id: Mapped[str | None]

    __table_args__ = (Index("audit_log_list", "tenant_id", "id"),)
