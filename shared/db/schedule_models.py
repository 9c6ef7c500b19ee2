"""The tables of schedules: what is to run when, which ticks were made, and the statistics of each hour."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models import Base


class ScheduleRow(Base):
    """``next_run`` is the tick that comes next; empty for one that is paused or that no scheduler fires."""

    __tablename__ = "schedules"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    cron: Mapped[str | None]
    every: Mapped[float | None]
    timezone: Mapped[str] = mapped_column(server_default="UTC")
    type: Mapped[str]
    input: Mapped[dict[str, Any]]
    queue: Mapped[str | None]
    enabled: Mapped[bool] = mapped_column(server_default=text("true"))
    catch_up: Mapped[str] = mapped_column(server_default="one")
    is_builtin: Mapped[bool] = mapped_column(server_default=text("false"))
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    next_run: Mapped[datetime | None]
    last_run: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("tenant_id", "name"),
        CheckConstraint("(cron IS NULL) <> (every IS NULL)", name="timing"),
        CheckConstraint("every >= 1", name="every"),
        CheckConstraint("catch_up IN ('skip', 'one', 'all')", name="catch_up"),
        CheckConstraint("(next_run IS NOT NULL) = (enabled AND NOT is_builtin)", name="next_run"),
        Index("schedules_due", "next_run"),
        Index("schedules_list", "tenant_id", "id"),
        # Each tick is a new version of the row.
        {"postgresql_with": {"fillfactor": 70}},
    )


class ScheduleTickRow(Base):
    """A tick that was made, and its task. The primary key is what makes it one, however many processes try."""

    __tablename__ = "schedule_ticks"

    schedule_id: Mapped[UUID] = mapped_column(ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True)
    tick_at: Mapped[datetime] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    task_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"), index=True)


class HourlyStatsRow(Base):
    """The tasks that were created in one hour, by how they ended; times are seconds. Kept past retention."""

    __tablename__ = "hourly_stats"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    hour: Mapped[datetime] = mapped_column(primary_key=True)
    type: Mapped[str] = mapped_column(primary_key=True)
    queue: Mapped[str] = mapped_column(primary_key=True)
    submitted: Mapped[int]
    completed: Mapped[int]
    failed: Mapped[int]
    cancelled: Mapped[int]
    unfinished: Mapped[int]
    retried: Mapped[int]
    wait_p50: Mapped[float | None]
    wait_p95: Mapped[float | None]
    wait_p99: Mapped[float | None]
    run_p50: Mapped[float | None]
    run_p95: Mapped[float | None]
    run_p99: Mapped[float | None]

    __table_args__ = (Index("hourly_stats_unfinished", "hour", postgresql_where=text("unfinished > 0")),)
