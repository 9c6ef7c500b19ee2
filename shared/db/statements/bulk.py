"""One step of an operation: the tasks it moves, and the cursor that says so, in one statement.

A step looks at the next rows in the order of their ids and moves those that fit. Whoever holds the operation's row
is the one that steps; another comes away with nothing. Rows that somebody else holds are waited for, in the order
everybody locks them in, and their state is looked at again. Nothing of it is in memory but the rows that moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.rows import error_of
from shared.db.statements.moves import ANEW, CANCELLED, RECORD, UNIQUE_INDEX
from shared.db.statements.operations import COLUMNS, operation_of
from shared.domain.operations import EXISTING, NOT_FOUND, OF_WORKFLOW, BulkAction, Operation, Selection
from shared.domain.states import Status
from shared.domain.task import TaskFilter
from shared.domain.verdict import TaskError

FITS = """(CAST(:statuses AS text[]) IS NULL OR CASE WHEN t.status = 'PENDING' AND t.run_at > now() THEN 'SCHEDULED'
                                                    ELSE t.status END = ANY(CAST(:statuses AS text[])))
        AND (CAST(:types AS text[]) IS NULL OR t.type = ANY(CAST(:types AS text[])))
        AND (CAST(:queues AS text[]) IS NULL OR t.queue = ANY(CAST(:queues AS text[])))
        AND (CAST(:tags AS text[]) IS NULL OR t.tags && CAST(:tags AS text[]))
        AND (CAST(:created_after AS timestamptz) IS NULL OR t.created_at > CAST(:created_after AS timestamptz))
        AND (CAST(:created_before AS timestamptz) IS NULL OR t.created_at < CAST(:created_before AS timestamptz))
        AND t.created_at <= COALESCE(CAST(:made_at AS timestamptz), now())"""

# The limit is of rows looked at, not of rows found: a filter that fits few of millions makes no long statement.
BY_FILTER = """
        SELECT seen.id, seen.status, seen.fits FROM op CROSS JOIN LATERAL (
            SELECT t.id, t.status, {fits} AS fits FROM tasks t
            WHERE t.tenant_id = :tenant_id AND t.id > op.cursor AND t.id < CAST(:until AS uuid)
            ORDER BY t.id LIMIT :looked
        ) seen"""
BY_IDS = """
        SELECT given.id, t.status, t.id IS NOT NULL AS fits FROM op CROSS JOIN LATERAL (
            SELECT i.id FROM unnest(op.ids) AS i (id)
            WHERE i.id > op.cursor AND i.id < CAST(:until AS uuid) ORDER BY i.id LIMIT :looked
        ) given LEFT JOIN tasks t ON t.id = given.id AND t.tenant_id = :tenant_id"""
NOBODY = f"SELECT '{NOT_FOUND}' AS reason WHERE false"
ABSENT = f"SELECT '{NOT_FOUND}' AS reason FROM walked w WHERE NOT w.fits"

TOLD = "t.id, t.type, t.status, t.queue, t.priority, t.generation, t.attempt, t.limits, t.started_at"
CANCEL = f"""moved AS (
        UPDATE tasks t SET {CANCELLED}
        FROM wanted w WHERE t.id = w.id AND t.status IN ('PENDING', 'RETRYING', 'PROCESSING')
        RETURNING {TOLD}, t.error
    )"""
# Of tasks with one unique key, the newest alone goes back, if no other one waits or runs.
RETRY = f"""before AS (
        SELECT * FROM wanted w WHERE w.status IN ('FAILED', 'CANCELLED') AND (w.unique_key IS NULL OR NOT EXISTS (
            SELECT 1 FROM tasks o WHERE o.tenant_id = :tenant_id AND o.type = w.type AND o.unique_key = w.unique_key
                                        AND o.status IN ('PENDING', 'RETRYING', 'PROCESSING')
            UNION ALL
            SELECT 1 FROM wanted o WHERE o.type = w.type AND o.unique_key = w.unique_key AND o.id > w.id
                                         AND o.status IN ('FAILED', 'CANCELLED')))
    ), record AS (
        {RECORD}
    ), moved AS (
        UPDATE tasks t SET {ANEW}
        FROM before b WHERE t.id = b.id
        RETURNING {TOLD}, t.error
    )"""
# The nodes of a workflow read each other's results, and it may be retried: its tasks leave with it.
DELETE = f"""moved AS (
        DELETE FROM tasks t USING wanted w WHERE t.id = w.id AND t.finished_at IS NOT NULL AND t.workflow_id IS NULL
        RETURNING {TOLD}, CAST(NULL AS jsonb) AS error
    )"""

WHY_NOT = "lower(w.status)"
WHY_NOT_DELETED = f"CASE WHEN w.finished_at IS NOT NULL THEN '{OF_WORKFLOW}' ELSE lower(w.status) END"
WHY_NOT_AGAIN = f"CASE WHEN w.status IN ('FAILED', 'CANCELLED') THEN '{EXISTING}' ELSE lower(w.status) END"

# All that is written to the operation is computed in ``next``: where its row has a newer version than the statement
# saw at its start, PostgreSQL evaluates the UPDATE once more, and could not run ``moved`` again for it.
STEP = """
    WITH op AS MATERIALIZED (
        SELECT o.id, o.ids, o.cursor, o.matched, o.done, o.skipped FROM operations o
        WHERE o.id = :id AND o.tenant_id = :tenant_id AND o.state = 'running' FOR NO KEY UPDATE SKIP LOCKED
    ), walked AS MATERIALIZED ({walk}
    ), chosen AS MATERIALIZED (
        SELECT w.id FROM walked w WHERE w.fits ORDER BY w.id LIMIT :most
    ), reached AS MATERIALIZED (
        SELECT CASE WHEN c.number = :most THEN c.last ELSE w.last END AS cursor,
               c.number < :most AND w.number < :looked AS is_over
        FROM (SELECT count(*) AS number, (array_agg(id ORDER BY id DESC))[1] AS last FROM chosen) c,
             (SELECT count(*) AS number, (array_agg(id ORDER BY id DESC))[1] AS last FROM walked) w
    ), wanted AS MATERIALIZED (
        SELECT t.id, t.status, t.version, t.attempt, t.generation, t.worker_id, t.started_at, t.finished_at,
               t.outcome, t.error, t.type, t.unique_key
        FROM tasks t
        WHERE t.id = ANY(ARRAY(SELECT id FROM chosen)) AND t.tenant_id = :tenant_id AND {fits}
        ORDER BY t.id {lock}
    ), {move}, passed AS (
        SELECT p.reason, count(*) AS number FROM (
            SELECT {reason} AS reason FROM wanted w WHERE NOT EXISTS (SELECT FROM moved m WHERE m.id = w.id)
            UNION ALL {absent}
        ) p GROUP BY p.reason
    ), next AS MATERIALIZED (
        SELECT op.id, r.is_over, COALESCE(r.cursor, op.cursor) AS cursor,
               op.matched + (SELECT count(*) FROM wanted) AS matched, op.done + (SELECT count(*) FROM moved) AS done,
               op.skipped || (
                   SELECT COALESCE(jsonb_object_agg(p.reason, p.number + COALESCE((op.skipped ->> p.reason)::int, 0)),
                                   '{{}}')
                   FROM passed p) AS skipped
        FROM op, reached r
    ), stepped AS (
        UPDATE operations o
        SET cursor = n.cursor, matched = n.matched, done = n.done, skipped = n.skipped, updated_at = now(),
            state = CASE WHEN n.is_over THEN 'done' ELSE o.state END,
            finished_at = CASE WHEN n.is_over THEN now() END, ids = CASE WHEN NOT n.is_over THEN o.ids END
        FROM next n WHERE o.id = n.id
        RETURNING {columns}
    )
    SELECT s.*, m.id AS task_id, m.status AS task_status, m.queue, m.priority, m.generation, m.attempt,
           m.limits, m.error, m.type AS task_type, m.started_at AS run_started_at
    FROM stepped s LEFT JOIN moved m ON true ORDER BY m.id
"""
COUNT = """
    WITH op AS MATERIALIZED (
        SELECT CAST(:cursor AS uuid) AS cursor, CAST(:ids AS uuid[]) AS ids
    ), walked AS MATERIALIZED ({walk}
    )
    SELECT count(*) AS number, (array_agg(w.id ORDER BY w.id DESC))[1] AS last,
           (SELECT COALESCE(jsonb_object_agg(f.reason, f.number), '{{}}')
            FROM (SELECT p.reason, count(*) AS number FROM (
                      SELECT x.status AS reason FROM walked x WHERE x.fits UNION ALL {absent}
                  ) p GROUP BY p.reason) f) AS found
    FROM walked w
"""


@dataclass(frozen=True, slots=True)
class Moved:
    """A task that a step has moved, as far as others must be told."""

    id: UUID
    status: Status
    queue: str
    priority: int
    generation: int
    attempt: int
    limits: str
    error: TaskError | None
    type: str
    started_at: datetime | None


@dataclass(frozen=True, slots=True)
class Step:
    """The operation after a step, and the tasks that moved in it."""

    operation: Operation
    moved: list[Moved]


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found: tasks by stored status (or ``NOT_FOUND``), how many rows it looked at, the last of them."""

    found: Mapping[str, int]
    looked_at: int
    last: UUID | None


async def step(session: AsyncSession, operation: Operation, *, looked: int, most: int) -> Step | None:
    """Look at up to ``looked`` rows and move up to ``most``; None: it is over, or another process is at it."""
    by_ids = operation.filter is None
    # What is not there counts as well: of ids as many are looked at as may be moved.
    limits = {"looked": most if by_ids else looked, "most": most}
    statement = _step(operation.action, by_ids=by_ids)
    try:
        rows = list((await session.execute(statement, {**_of_operation(operation), **limits})).mappings())
    except IntegrityError as error:
        if UNIQUE_INDEX not in str(error.orig):
            raise
        return None  # a task with the key of one it would retry came in between: the next step will see it
    if not rows:
        return None
    return Step(operation_of(rows[0]), list(_moved(rows)))


async def look(
    session: AsyncSession, tenant_id: int, chosen: Selection, *, cursor: UUID, until: UUID, looked: int
) -> Look:
    """Count what is meant among the next ``looked`` rows after ``cursor``; nothing is locked."""
    place = {"tenant_id": tenant_id, "cursor": cursor, "until": until, "looked": looked, "made_at": None}
    ids = None if chosen.ids is None else list(chosen.ids)
    statement = text(COUNT.format(**_walk(by_ids=ids is not None)))
    rows = await session.execute(statement, {**_of_filter(chosen.wanted), **place, "ids": ids})
    for row in rows.mappings():
        return Look(row["found"], row["number"], row["last"])
    return Look({}, 0, None)


def _step(action: BulkAction, *, by_ids: bool) -> TextClause:
    move = {BulkAction.CANCEL: CANCEL, BulkAction.RETRY: RETRY, BulkAction.DELETE: DELETE}[action]
    lock = "FOR UPDATE" if action is BulkAction.DELETE else "FOR NO KEY UPDATE"
    reason = {BulkAction.RETRY: WHY_NOT_AGAIN, BulkAction.DELETE: WHY_NOT_DELETED}.get(action, WHY_NOT)
    return text(STEP.format(**_walk(by_ids=by_ids), fits=FITS, lock=lock, move=move, reason=reason, columns=COLUMNS))


def _walk(*, by_ids: bool) -> dict[str, str]:
    return {"walk": BY_IDS, "absent": ABSENT} if by_ids else {"walk": BY_FILTER.format(fits=FITS), "absent": NOBODY}


def _of_operation(operation: Operation) -> dict[str, Any]:
    return {
        "id": operation.id,
        "tenant_id": operation.tenant_id,
        "until": operation.until,
        "made_at": operation.created_at,
        **_of_filter(operation.filter),
    }


def _of_filter(wanted: TaskFilter | None) -> dict[str, Any]:
    """What ``FITS`` takes: null means any."""
    narrow = wanted or TaskFilter()
    return {
        "statuses": [status.value for status in narrow.statuses] or None,
        "types": list(narrow.types) or None,
        "queues": list(narrow.queues) or None,
        "tags": list(narrow.tags) or None,
        "created_after": narrow.created_after,
        "created_before": narrow.created_before,
    }


def _moved(rows: Sequence[Mapping[Any, Any]]) -> Iterator[Moved]:
    for row in rows:
        if row["task_id"] is not None:
            yield Moved(
                row["task_id"],
                Status(row["task_status"]),
                row["queue"],
                row["priority"],
                row["generation"],
                row["attempt"],
                row["limits"],
                error_of(row["error"]),
                row["task_type"],
                row["run_started_at"],
            )
