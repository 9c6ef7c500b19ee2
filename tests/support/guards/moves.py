"""Guards of the moves of one task: which are legal, what an attempt costs, and that a unique key has one task."""

from __future__ import annotations

from tests.support.guards.guard import RESCUE, SETTLE, Guard
from tests.support.mutations import Schema, Sql
from tests.support.scenes import moves
from tests.support.scenes.moves import somebody_writes

ANY_CONFLICT = Sql(
    "shared.db.statements.unique:INSERT",
    "ON CONFLICT (tenant_id, type, unique_key) WHERE unique_key IS NOT NULL"
    " AND status IN ('PENDING', 'RETRYING', 'PROCESSING') DO NOTHING",
    "ON CONFLICT DO NOTHING",
    schema=("DROP INDEX tasks_unique",),
)

GUARDS = [
    Guard(
        "sticky cancel in settle",
        Sql(SETTLE, "t.cancel_requested THEN", "false THEN"),
        moves.a_cancelled_run_would_be_retried,
        "a 202 runs again",
    ),
    Guard(
        "sticky cancel in rescue",
        Sql(RESCUE, "WHEN t.cancel_requested", "WHEN false"),
        moves.a_cancelled_run_is_lost,
        "a 202 runs again",
    ),
    Guard(
        "status in retry",
        Sql("shared.db.statements.moves:RETRY", "AND t.status IN ('FAILED', 'CANCELLED')", ""),
        moves.a_waiting_task_is_retried,
        "a generation began by itself",
    ),
    Guard(
        "attempt given back in settle",
        Sql(SETTLE, "ELSE t.attempt - 1", "ELSE t.attempt"),
        moves.a_run_is_given_back,
        "a released run cost an attempt",
    ),
    Guard(
        "attempt given back in rescue",
        Sql(RESCUE, "attempt = t.attempt - 1", "attempt = t.attempt"),
        moves.a_run_is_lost,
        "a lost run cost an attempt",
    ),
    Guard(
        "bound on losses",
        Sql(RESCUE, ">= :most_losses", ">= :most_losses + 1"),
        moves.a_task_is_lost_for_ever,
        "a task outlives every loss",
    ),
    Guard(
        "table of moves",
        Schema(("DROP TRIGGER tasks_moves ON tasks",)),
        somebody_writes("UPDATE tasks SET status = 'PENDING', finished_at = NULL"),
        "the database took it",
    ),
    Guard(
        "CHECK on the lease",
        Schema(("ALTER TABLE tasks DROP CONSTRAINT tasks_lease_check",)),
        somebody_writes("UPDATE tasks SET lease = gen_random_uuid()"),
        "the database took it",
    ),
    Guard(
        "CHECK on finished_at",
        Schema(("ALTER TABLE tasks DROP CONSTRAINT tasks_finished_at_check",)),
        somebody_writes("UPDATE tasks SET finished_at = NULL"),
        "the database took it",
    ),
    Guard("index of unique keys", ANY_CONFLICT, moves.one_key_comes_twice_at_once, "two tasks with one key"),
    Guard("index of unique keys in retry", ANY_CONFLICT, moves.a_retry_meets_a_newer_task, "two tasks with one key"),
]
