"""Guards of bulk verbs: each step is one process's, and takes what was meant and nothing else."""

from __future__ import annotations

from tests.support.guards.guard import Guard
from tests.support.mutations import Both, Sql
from tests.support.scenes import bulk

BULK = "shared.db.statements.bulk"

GUARDS = [
    Guard(
        "row lock of an operation",
        Sql(f"{BULK}:STEP", "AND o.state = 'running' FOR NO KEY UPDATE SKIP LOCKED", "AND o.state = 'running'"),
        bulk.two_processes_take_a_step,
        "two processes took the same step",
    ),
    Guard(
        "state of an operation",
        Sql(f"{BULK}:STEP", "AND o.state = 'running'", ""),
        bulk.a_cancelled_operation_is_taken_up,
        "a cancelled operation went on",
    ),
    Guard(
        "cursor of an operation",
        Sql(f"{BULK}:STEP", "COALESCE(r.cursor, op.cursor) AS cursor", "op.cursor"),
        bulk.a_retried_task_fails_again,
        "an operation came twice to one task",
    ),
    Guard(
        "tenant of an operation",
        Both(
            Sql(f"{BULK}:BY_FILTER", "t.tenant_id = :tenant_id", ":tenant_id > 0"),
            Sql(f"{BULK}:STEP", "t.tenant_id = :tenant_id", ":tenant_id > 0"),
        ),
        bulk.another_tenants_operation,
        "an operation took another tenant's task",
    ),
    Guard(
        "beginning of an operation",
        Sql(f"{BULK}:FITS", "t.created_at <= COALESCE(CAST(:made_at AS timestamptz), now())", "true"),
        bulk.a_task_comes_later,
        "an operation took a task that came after it",
    ),
    Guard(
        "end of a task that is deleted",
        Sql(f"{BULK}:DELETE", "AND t.finished_at IS NOT NULL", ""),
        bulk.a_waiting_task_is_to_be_deleted,
        "a task that waits was deleted",
    ),
    Guard(
        "status in a retry of many",
        Sql(f"{BULK}:RETRY", "w.status IN ('FAILED', 'CANCELLED') AND (w.unique_key", "(w.unique_key"),
        bulk.a_waiting_task_is_to_be_retried,
        "a generation began by itself",
    ),
    Guard(
        "unique key in a retry of many",
        Sql(f"{BULK}:RETRY", "AND o.id > w.id", ""),
        bulk.two_failed_with_one_key,
        "tasks with one key hold each other up",
    ),
    Guard(
        "filter of an operation, looked at again once the row is free",
        Sql(f"{BULK}:STEP", "AND t.tenant_id = :tenant_id AND {fits}", "AND t.tenant_id = :tenant_id"),
        bulk.a_filter_fits_no_more,
        "a task was moved that did not fit",
    ),
]
