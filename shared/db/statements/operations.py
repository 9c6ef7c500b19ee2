"""The rows of operations: made, read, cancelled, forgotten. What a step does to them stands in ``bulk``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.rows import dumps
from shared.domain.operations import BulkAction, Operation, OperationState, Selection, spelled
from shared.domain.states import Status
from shared.domain.task import TaskFilter

COLUMNS = """o.id, o.tenant_id, o.action, o.state, o.filter, o.until, o.cursor, o.total, o.matched, o.done, o.skipped,
    o.created_at, o.updated_at, o.finished_at"""

# So many of a tenant may run at a time: each is looked at again and again.
INSERT = text(f"""
    INSERT INTO operations AS o (id, tenant_id, action, ids, filter, until, cursor, total)
    SELECT CAST(:id AS uuid), CAST(:tenant_id AS integer), CAST(:action AS text), CAST(:ids AS uuid[]),
           CAST(:filter AS jsonb), CAST(:until AS uuid), CAST(:cursor AS uuid), CAST(:total AS integer)
    WHERE (SELECT count(*) FROM operations r WHERE r.tenant_id = CAST(:tenant_id AS integer) AND r.state = 'running')
          < :most_running
    RETURNING {COLUMNS}
""")
ONE = text(f"SELECT {COLUMNS} FROM operations o WHERE o.id = :id AND o.tenant_id = :tenant_id")
PAGE = text(f"""
    SELECT {COLUMNS} FROM operations o
    WHERE o.tenant_id = :tenant_id AND (CAST(:before AS uuid) IS NULL OR o.id < CAST(:before AS uuid))
    ORDER BY o.id DESC LIMIT :limit
""")
RUNNING = text(f"SELECT {COLUMNS} FROM operations o WHERE o.state = 'running' ORDER BY o.id LIMIT :most")
SET_TOTAL = text(f"""
    UPDATE operations o SET total = :total
    WHERE o.id = :id AND o.tenant_id = :tenant_id AND o.total IS NULL RETURNING {COLUMNS}
""")
CANCEL = text(f"""
    UPDATE operations o SET state = 'cancelled', finished_at = now(), updated_at = now(), ids = NULL
    WHERE o.id = :id AND o.tenant_id = :tenant_id AND o.state = 'running' RETURNING {COLUMNS}
""")
PRUNE = text("""
    DELETE FROM operations o USING (
        SELECT e.id FROM operations e
        WHERE e.id < :before AND e.finished_at < now() - make_interval(secs => :after)
        ORDER BY e.id LIMIT :most FOR UPDATE SKIP LOCKED
    ) old
    WHERE o.id = old.id RETURNING o.id
""")


def operation_of(row: Mapping[Any, Any]) -> Operation:
    """A row that begins with COLUMNS."""
    fields = {name: row[name] for name in Operation.__dataclass_fields__}
    chosen = None if row["filter"] is None else filter_of(row["filter"])
    action, state = BulkAction(row["action"]), OperationState(row["state"])
    return Operation(**{**fields, "action": action, "state": state, "filter": chosen})


async def insert(
    session: AsyncSession,
    tenant_id: int,
    operation_id: UUID,
    action: BulkAction,
    chosen: Selection,
    *,
    cursor: UUID,
    until: UUID,
    most_running: int,
) -> Operation | None:
    """Store a new one, for the tasks meant between these ids; None: too many of the tenant's run already."""
    ids = None if chosen.ids is None else sorted(set(chosen.ids))
    parameters = {
        "id": operation_id,
        "tenant_id": tenant_id,
        "action": action.value,
        "ids": ids,
        "filter": dumps(spelled(chosen.wanted)) if ids is None else None,
        "until": until,
        "cursor": cursor,
        "total": None if ids is None else len(ids),
        "most_running": most_running,
    }
    return _first((await session.execute(INSERT, parameters)).mappings())


async def get(session: AsyncSession, tenant_id: int, operation_id: UUID) -> Operation | None:
    return _first((await session.execute(ONE, {"id": operation_id, "tenant_id": tenant_id})).mappings())


async def page(session: AsyncSession, tenant_id: int, *, limit: int, before: UUID | None) -> list[Operation]:
    """Newest first, ids below ``before``."""
    rows = await session.execute(PAGE, {"tenant_id": tenant_id, "before": before, "limit": limit})
    return [operation_of(row) for row in rows.mappings()]


async def running(session: AsyncSession, *, most: int) -> list[Operation]:
    """Those of every tenant that are not over, oldest first."""
    return [operation_of(row) for row in (await session.execute(RUNNING, {"most": most})).mappings()]


async def set_total(session: AsyncSession, operation: Operation, total: int) -> Operation | None:
    """Keep how many there were; None: it is known already."""
    parameters = {"id": operation.id, "tenant_id": operation.tenant_id, "total": total}
    return _first((await session.execute(SET_TOTAL, parameters)).mappings())


async def cancel(session: AsyncSession, tenant_id: int, operation_id: UUID) -> Operation | None:
    """No step follows the one under way, which is waited for; None: it is over, or not there."""
    return _first((await session.execute(CANCEL, {"id": operation_id, "tenant_id": tenant_id})).mappings())


async def prune(session: AsyncSession, *, before: UUID, after: float, most: int) -> int:
    """Forget those that were over ``after`` seconds ago, whose ids are below ``before``; how many."""
    return len((await session.execute(PRUNE, {"before": before, "after": after, "most": most})).all())


def filter_of(stored: Mapping[str, Any]) -> TaskFilter:
    return TaskFilter(
        statuses=tuple(map(Status, stored.get("status", ()))),
        types=tuple(stored.get("type", ())),
        queues=tuple(stored.get("queue", ())),
        tags=tuple(stored.get("tag", ())),
        created_after=_moment(stored.get("created_after")),
        created_before=_moment(stored.get("created_before")),
    )


def _moment(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)


def _first(rows: Iterable[Mapping[Any, Any]]) -> Operation | None:
    return next(map(operation_of, rows), None)
