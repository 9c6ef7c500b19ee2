"""Retention: old final tasks and old files leave, walked by primary key in short batches.

Ids are UUIDv7: what ended before a moment was made before it, so the walk ends at that moment's first
id and needs no index of its own. Each batch says how far it walked; rows that stay are passed once.
Why batches and not partitions: docs/design/0003-retention.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.domain.ids import first_id_at

LOCK_ID = 0x7461_736B_7275_6E01  # "taskrun\1"; "taskrun\0" is the migrations'

TRY_LOCK = text("SELECT pg_try_advisory_lock(:id)")
UNLOCK = text("SELECT pg_advisory_unlock(:id)")

CUTOFF = text("""
    SELECT date_bin('1 day', now(), TIMESTAMPTZ '2000-01-01 02:00:00+00') - make_interval(days => :days)
""")

# ``finished_at`` is there exactly when a task is final: a CHECK. It is asked again once the row is locked,
# so a task that a person retries meanwhile stays. The attempts go by ON DELETE CASCADE. A workflow's tasks stay for
# as long as it has not ended: those to come may want their results.
PRUNE_TASKS = text("""
    WITH walked AS MATERIALIZED (
        SELECT t.id FROM tasks t WHERE t.id > :after AND t.id < :until ORDER BY t.id LIMIT :most
    ), pick AS MATERIALIZED (
        SELECT t.id FROM tasks t
        WHERE t.id = ANY(ARRAY(SELECT id FROM walked)) AND t.finished_at < :before
              AND COALESCE((SELECT COALESCE(w.finished_at < :before, false) FROM workflows w
                            WHERE w.id = t.workflow_id AND w.tenant_id = t.tenant_id), true)
        ORDER BY t.id FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM tasks t WHERE t.id = ANY(ARRAY(SELECT id FROM pick)) RETURNING t.id
    )
    SELECT (SELECT count(*) FROM walked) AS walked, (SELECT count(*) FROM gone) AS removed,
           (SELECT id FROM walked ORDER BY id DESC LIMIT 1) AS last
""")

# A string in an input names a file if it ends in the id, however that is spelled: an input is kept as it was given.
# (2 to 5 µs an unfinished task; a regular expression over the text takes 10 to 100.)
OLD_FILES = text("""
    WITH old AS MATERIALIZED (
        SELECT f.tenant_id, f.id FROM files f
        WHERE f.id > :after AND f.id < :until AND f.created_at < :before ORDER BY f.id LIMIT :most
    ), unfinished AS (
        SELECT t.tenant_id, t.input FROM tasks t WHERE t.status IN ('PENDING', 'RETRYING')
        UNION ALL
        SELECT t.tenant_id, t.input FROM tasks t WHERE t.status = 'PROCESSING'
        UNION ALL
        SELECT n.tenant_id, n.input FROM workflow_nodes n WHERE n.state = 'WAITING'
    ), named AS MATERIALIZED (
        SELECT old.id FROM unfinished u
        CROSS JOIN LATERAL jsonb_path_query(u.input, '$.** ? (@.type() == "string")') AS given
        JOIN old ON old.tenant_id = u.tenant_id
            AND replace(CAST(old.id AS text), '-', '') = right(translate(lower(given #>> '{}'), '-{}', ''), 32)
        WHERE EXISTS (SELECT FROM old)
    )
    SELECT old.tenant_id, old.id, old.id IN (SELECT id FROM named) AS is_named FROM old ORDER BY old.id
""")


@dataclass(frozen=True, slots=True)
class PrunedBatch:
    """What one batch did. ``last`` is where the next begins; None: the walk is over."""

    removed: int
    last: UUID | None


@dataclass(frozen=True, slots=True)
class OldFile:
    """A file past its time; ``is_named``: an unfinished task's input names it."""

    tenant_id: int
    id: UUID
    is_named: bool


@asynccontextmanager
async def alone(session: AsyncSession, lock_id: int = LOCK_ID) -> AsyncIterator[bool]:
    """Hold a chore's lock on this session's connection; False: another session holds it."""
    if not (await session.execute(TRY_LOCK, {"id": lock_id})).scalar_one():
        yield False
        return
    try:
        yield True
    except BaseException:
        # Cancelled or failed, perhaps in mid-statement: the lock ends with the connection, which nobody uses again.
        await session.invalidate()
        raise
    await session.execute(UNLOCK, {"id": lock_id})


async def cutoff(session: AsyncSession, *, days: int) -> datetime:
    """``days`` before the last 02:00 UTC, by PostgreSQL's clock."""
    found: datetime = (await session.execute(CUTOFF, {"days": days})).scalar_one()
    return found


async def prune_tasks(session: AsyncSession, *, after: UUID, before: datetime, most: int) -> PrunedBatch:
    """Of the next ``most`` tasks after ``after``, delete those that ended before ``before``."""
    parameters = {"after": after, "until": first_id_at(before), "before": before, "most": most}
    row = (await session.execute(PRUNE_TASKS, parameters)).one()
    return PrunedBatch(row.removed, row.last if row.walked == most else None)


async def old_files(session: AsyncSession, *, after: UUID, before: datetime, most: int) -> list[OldFile]:
    """The next ``most`` files made before ``before``, in id order."""
    parameters = {"after": after, "until": first_id_at(before), "before": before, "most": most}
    return [OldFile(row.tenant_id, row.id, row.is_named) for row in await session.execute(OLD_FILES, parameters)]
