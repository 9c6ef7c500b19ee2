"""Schedules: the rows people make, change and read."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.rows import dumps
from shared.domain.errors import Conflict
from shared.domain.schedule import BuiltIn, CatchUp, Schedule

COLUMNS = """s.id, s.tenant_id, s.name, s.cron, s.every, s.timezone, s.type, s.input, s.queue, s.enabled, s.catch_up,
    s.is_builtin, s.version, s.created_at, s.updated_at, s.next_run, s.last_run"""

UNIQUE_NAME = "schedules_tenant_id_key"
NOW = text("SELECT now()")
ONE = text(f"SELECT {COLUMNS} FROM schedules s WHERE s.id = :id AND s.tenant_id = :tenant_id")
PAGE = text(f"""
    SELECT {COLUMNS} FROM schedules s
    WHERE s.tenant_id = :tenant_id AND (CAST(:before AS uuid) IS NULL OR s.id < CAST(:before AS uuid))
    ORDER BY s.id DESC LIMIT :limit
""")
INSERT = text(f"""
    INSERT INTO schedules AS s (id, tenant_id, name, cron, every, timezone, type, input, queue, enabled, catch_up,
                                created_at, updated_at, next_run)
    VALUES (:id, :tenant_id, :name, :cron, :every, :timezone, :type, CAST(:input AS jsonb), :queue, :enabled, :catch_up,
            :created_at, :created_at, :next_run)
    ON CONFLICT (tenant_id, name) DO NOTHING
    RETURNING {COLUMNS}
""")
# A change is made to the version it was planned on. Ticks don't count as one: they change what comes next alone.
UPDATE = text(f"""
    UPDATE schedules s
    SET name = :name, cron = :cron, every = :every, timezone = :timezone, type = :type, input = CAST(:input AS jsonb),
        queue = :queue, enabled = :enabled, catch_up = :catch_up, next_run = :next_run,
        version = s.version + 1, updated_at = now()
    WHERE s.id = :id AND s.tenant_id = :tenant_id AND s.version = :version
    RETURNING {COLUMNS}
""")
DELETE = text(
    "DELETE FROM schedules s WHERE s.id = :id AND s.tenant_id = :tenant_id AND NOT s.is_builtin RETURNING s.id"
)
# Built-in ones are the system's own, and no tenant's: they stand in the list of the first.
IS_ENABLED = text("SELECT s.enabled FROM schedules s WHERE s.id = :id AND s.is_builtin")
HAS_RUN = text("UPDATE schedules s SET last_run = now() WHERE s.id = :id AND s.is_builtin")


def schedule_of(row: RowMapping) -> Schedule:
    """A row of COLUMNS."""
    return Schedule(**{**row, "catch_up": CatchUp(row["catch_up"])})


async def now(session: AsyncSession) -> datetime:
    """PostgreSQL's clock: the only one that schedules follow."""
    found: datetime = (await session.execute(NOW)).scalar_one()
    return found


async def get(session: AsyncSession, tenant_id: int, schedule_id: UUID) -> Schedule | None:
    row = (await session.execute(ONE, {"id": schedule_id, "tenant_id": tenant_id})).mappings().first()
    return None if row is None else schedule_of(row)


async def page(session: AsyncSession, tenant_id: int, *, limit: int, before: UUID | None) -> list[Schedule]:
    """Newest first, ids below ``before``."""
    rows = await session.execute(PAGE, {"tenant_id": tenant_id, "before": before, "limit": limit})
    return [schedule_of(row) for row in rows.mappings()]


async def insert(session: AsyncSession, schedule: Schedule) -> Schedule:
    """Store a new one. Raises: Conflict, where the tenant has one of this name."""
    row = (await session.execute(INSERT, {**_values(schedule), "created_at": schedule.created_at})).mappings().first()
    if row is None:
        raise name_taken(schedule.name)
    return schedule_of(row)


async def update(session: AsyncSession, schedule: Schedule) -> Schedule | None:
    """Write ``schedule`` over the version it names; None: that version is gone.

    Raises: Conflict, where the tenant has another one of this name.
    """
    try:
        rows = await session.execute(UPDATE, {**_values(schedule), "version": schedule.version})
    except IntegrityError as error:
        if UNIQUE_NAME in str(error.orig):
            raise name_taken(schedule.name) from None
        raise
    row = rows.mappings().first()
    return None if row is None else schedule_of(row)


async def delete(session: AsyncSession, tenant_id: int, schedule_id: UUID) -> bool:
    """Its ticks go with it, its tasks stay. False: there is none, or it is built in."""
    return (await session.execute(DELETE, {"id": schedule_id, "tenant_id": tenant_id})).first() is not None


async def is_enabled(session: AsyncSession, builtin: BuiltIn) -> bool:
    return bool((await session.execute(IS_ENABLED, {"id": builtin.id})).scalar())


async def has_run(session: AsyncSession, builtin: BuiltIn) -> None:
    await session.execute(HAS_RUN, {"id": builtin.id})


def name_taken(name: str) -> Conflict:
    return Conflict(f"There is a schedule named {name!r} already.")


def _values(schedule: Schedule) -> dict[str, object]:
    return {
        "id": schedule.id,
        "tenant_id": schedule.tenant_id,
        "name": schedule.name,
        "cron": schedule.cron,
        "every": schedule.every,
        "timezone": schedule.timezone,
        "type": schedule.type,
        "input": dumps(schedule.input),
        "queue": schedule.queue,
        "enabled": schedule.enabled,
        "catch_up": schedule.catch_up.value,
        "next_run": schedule.next_run,
    }
