"""Guards of workflows: what follows what, how often, and what a cancel or a retry may do."""

from __future__ import annotations

from tests.support.guards.guard import Guard
from tests.support.mutations import Both, Code, Schema, Sql, in_function
from tests.support.scenes import workflows

FLOW = "shared.db.statements.workflow_moves"
STEPS = "shared.db.migrations.versions.0012_workflow_plans"

GUARDS = [
    Guard(
        "trigger of workflows",
        Schema(("DROP TRIGGER tasks_follow ON tasks",)),
        workflows.a_successor_follows,
        "nothing followed",
    ),
    Guard(
        "retries in the count of predecessors",
        in_function(STEPS, "workflow_advance", "CASE WHEN d.state = 'RELEASED' THEN -1 ELSE 1 END", "1"),
        workflows.a_node_ends_twice,
        "one predecessor counted for two",
    ),
    Guard(
        "nodes that wait in the cancel of a workflow",
        Sql(f"{FLOW}:CANCEL", "AND n.state = 'WAITING'", "AND false"),
        workflows.a_cancel_meets_an_end,
        "a cancelled workflow went on",
    ),
    Guard(
        "tenant in the cancel of a workflow",
        Both(
            Sql(f"{FLOW}:CANCEL", "w.tenant_id = :tenant_id", ":tenant_id > 0"),
            Sql(f"{FLOW}:CANCEL", "n.tenant_id = :tenant_id", "true"),
        ),
        workflows.another_tenant_cancels,
        "another tenant cancelled a workflow",
    ),
    Guard(
        "second half of a cancel",
        Code("shared.queue.workflows:finish_cancels", "in found:", "in found[:0]:"),
        workflows.who_cancels_dies_in_between,
        "half a cancel stayed half",
    ),
    Guard(
        "end in the retry of a workflow",
        Sql(f"{FLOW}:REOPEN", "AND w.finished_at IS NOT NULL", ""),
        workflows.one_that_runs_is_retried,
        "a workflow that had not ended was begun again",
    ),
    Guard(
        "trigger of a workflow's webhook",
        Schema(("DROP TRIGGER workflows_call_back ON workflows",)),
        workflows.its_end_is_told,
        "nobody will be told of a workflow's end",
    ),
    Guard(
        "workflow in retention",
        Sql("shared.db.statements.retention:PRUNE_TASKS", "COALESCE(w.finished_at < :before, false)", "true"),
        workflows.a_cleanup_meets_a_long_workflow,
        "the result of a workflow that goes on was removed",
    ),
]
