"""Guards of ownership: who may claim a task, and who may end its run."""

from __future__ import annotations

from tests.support.guards.guard import CLAIMS, LOCKED, SETTLE, Guard
from tests.support.mutations import Sql
from tests.support.scenes import lost_words, ownership
from tests.support.scenes.ownership import a_claim_is_refused


def of_claims(name: str, old: str, new: str, wrong: str, statement: str = "SELECT", **given: object) -> list[Guard]:
    """A guard that stands in both claims."""
    return [
        Guard(f"{name} in {way}", Sql(where, old, new), a_claim_is_refused(claim, wrong, statement, **given), wrong)
        for way, where, claim in CLAIMS
    ]


GUARDS = [
    Guard(
        "lease in settle",
        Sql(SETTLE, "AND t.lease = u.lease", ""),
        ownership.a_late_worker_settles,
        "a late settle ended another's run",
    ),
    Guard(
        "lease in settle, looked at again once the row is free",
        Sql(SETTLE, "AND t.lease = u.lease", "AND u.lease = (SELECT lease FROM tasks WHERE id = u.id)"),
        ownership.a_settle_meets_the_next_owner,
        "a late settle ended another's run",
    ),
    Guard(
        "lease in release",
        Sql("shared.db.statements.liveness:RELEASE", "AND t.lease = u.lease", ""),
        lost_words.an_audit_comes_late,
        "an audit took another's run",
    ),
    *(
        Guard(f"{name} in {way}", Sql(where, old, new), scene, wrong)
        for way, where, claim in CLAIMS
        for name, old, new, scene, wrong in (
            (
                "status",
                "t.status IN ('PENDING', 'RETRYING')",
                "true",
                ownership.a_running_task_is_hinted_again(claim),
                "a running task was claimed again",
            ),
            ("row lock", LOCKED, "", ownership.two_claims_meet(claim), "two workers own one task"),
            (
                "SKIP LOCKED",
                LOCKED,
                "FOR NO KEY UPDATE",
                ownership.two_claims_meet(claim),
                "a claim waited for a lock",
            ),
        )
    ),
    *of_claims(
        "live worker",
        "AND w.state <> 'dead'",
        "",
        "a dead worker owns a run",
        "UPDATE workers SET state = 'dead'",
    ),
    *of_claims(
        "pause",
        "AND q.paused",
        "AND false",
        "a paused queue gave a task out",
        "INSERT INTO queues (tenant_id, name, paused) VALUES (1, 'demo_tasks', true)",
    ),
    *of_claims("due time", "t.run_at <= now()", "true", "a task ran before its time", delay=3_600.0),
    *of_claims(
        "expiry",
        "(t.expires_at IS NULL OR t.expires_at > now())",
        "true",
        "an expired task ran",
        "UPDATE tasks SET expires_at = now()",
    ),
]
