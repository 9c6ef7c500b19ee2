"""The schema, for Alembic and for readers. Hot statements are SQL of their own, in ``statements``.

``tasks`` keeps one row per task, and that row is the record of its last attempt; ``attempts`` holds
the earlier ones. ``version`` counts every state change, so (task_id, version) names one for ever.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, DOUBLE_PRECISION, JSONB, TEXT, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

WAITING = "status IN ('PENDING', 'RETRYING')"
NAMING = {
    "ix": "ix_%(column_0_label)s",
    "pk": "%(table_name)s_pkey",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "uq": "%(table_name)s_%(column_0_name)s_key",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as a plain class attribute
        UUID: Uuid(),
        datetime: TIMESTAMP(timezone=True),
        str: TEXT(),
        bytes: BYTEA(),
        float: DOUBLE_PRECISION(),
        list[str]: ARRAY(TEXT()),
        dict[str, Any]: JSONB(),
    }


class TenantRow(Base):
    __tablename__ = "tenants"

    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))


class TaskRow(Base):
    __tablename__ = "tasks"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    type: Mapped[str]
    queue: Mapped[str]
    priority: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[str] = mapped_column(server_default="PENDING")
    version: Mapped[int] = mapped_column(Integer, server_default="1")
    lease: Mapped[UUID | None]
    worker_id: Mapped[UUID | None]
    attempt: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    max_attempts: Mapped[int] = mapped_column(SmallInteger)
    generation: Mapped[int] = mapped_column(SmallInteger, server_default="1")
    losses: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    crashes: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    cancel_requested: Mapped[bool] = mapped_column(server_default=text("false"))
    timeout: Mapped[float]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    run_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    expires_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    input: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    progress: Mapped[dict[str, Any] | None]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata")
    tags: Mapped[list[str] | None]
    request_id: Mapped[str | None]
    traceparent: Mapped[str | None]
    callback_url: Mapped[str | None]
    unique_key: Mapped[bytes | None]
    limits: Mapped[str] = mapped_column(server_default="")
    workflow_id: Mapped[UUID | None]

    __table_args__ = (
        CheckConstraint(
            "status IN ('PENDING', 'RETRYING', 'PROCESSING', 'COMPLETED', 'FAILED', 'CANCELLED')", name="status"
        ),
        CheckConstraint("(lease IS NOT NULL) = (status = 'PROCESSING')", name="lease"),
        CheckConstraint(
            "(finished_at IS NOT NULL) = (status IN ('COMPLETED', 'FAILED', 'CANCELLED'))", name="finished_at"
        ),
        CheckConstraint("priority BETWEEN 0 AND 9", name="priority"),
        Index("tasks_claim", "queue", "tenant_id", "limits", "priority", "run_at", postgresql_where=text(WAITING)),
        Index("tasks_limited", "queue", "tenant_id", "limits", postgresql_where=text(f"limits <> '' AND {WAITING}")),
        Index(
            "tasks_limited_running",
            "tenant_id",
            "limits",
            postgresql_where=text("limits <> '' AND status = 'PROCESSING'"),
        ),
        Index("tasks_running", "worker_id", postgresql_where=text("status = 'PROCESSING'")),
        Index("tasks_list", "tenant_id", "id"),
        Index("tasks_failed", "tenant_id", "id", postgresql_where=text("status = 'FAILED'")),
        Index("tasks_expiry", "expires_at", postgresql_where=text(f"expires_at IS NOT NULL AND {WAITING}")),
        Index(
            "tasks_unique",
            "tenant_id",
            "type",
            "unique_key",
            unique=True,
            postgresql_where=text("unique_key IS NOT NULL AND status IN ('PENDING', 'RETRYING', 'PROCESSING')"),
        ),
        # Claim and settle move a row twice; the room left in each page keeps those versions near it.
        {"postgresql_with": {"fillfactor": 90}},
    )


class AttemptRow(Base):
    __tablename__ = "attempts"

    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    attempt: Mapped[int] = mapped_column(SmallInteger)
    generation: Mapped[int] = mapped_column(SmallInteger)
    worker_id: Mapped[UUID | None]
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime]
    outcome: Mapped[str]
    error: Mapped[dict[str, Any] | None]


class WorkerRow(Base):
    __tablename__ = "workers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    hostname: Mapped[str]
    pid: Mapped[int]
    state: Mapped[str] = mapped_column(server_default="running")
    beat: Mapped[int] = mapped_column(server_default="0")
    seen_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    queues: Mapped[list[str]]
    types: Mapped[list[str]]
    missing: Mapped[dict[str, Any]]
    concurrency: Mapped[int]
    pool_size: Mapped[int]
    pool_overflow: Mapped[int]
    version: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    # Every heartbeat is a new version of a row.
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)


class QueueRow(Base):
    __tablename__ = "queues"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    paused: Mapped[bool] = mapped_column(server_default=text("false"))


class FileRow(Base):
    __tablename__ = "files"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    media_type: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))

    __table_args__ = (Index("files_list", "tenant_id", "id"),)


class IdempotencyRow(Base):
    __tablename__ = "idempotency_keys"

    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[bytes]
    status: Mapped[int] = mapped_column(SmallInteger)
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"), index=True)


class ApiKeyRow(Base):
    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str]
    scopes: Mapped[list[str]]
    hash: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    revoked_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    replaced_by: Mapped[str | None]
