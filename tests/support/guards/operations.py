"""Guards of what operators do: pause, purge, drain."""

from __future__ import annotations

from tests.support.guards.guard import BY_IDS, BY_ORDER, LOCKED, Guard
from tests.support.mutations import Code, Sql
from tests.support.scenes import operations
from tests.support.scenes.making import by_hint, by_poll

PURGE = "shared.db.statements.queues:PURGE"

GUARDS = [
    *(
        Guard(
            f"tenant of the pause in {way}",
            Sql(where, tenant, ""),
            operations.another_tenant_pauses(claim),
            "another tenant's pause held a task",
        )
        for way, where, tenant, claim in (
            ("claim by id", BY_IDS, "q.tenant_id = t.tenant_id AND ", by_hint),
            ("poll", BY_ORDER, "q.tenant_id = line.tenant_id AND ", by_poll),
        )
    ),
    Guard(
        "wait for claims in pause",
        Code(
            "shared.queue.queues:pause",
            "range(CLAIM_LOOKS)",
            "range(0)",
            used_in=("tests.support.scenes.operations",),
        ),
        operations.a_pause_meets_a_claim,
        "a claim was under way when the pause was answered",
    ),
    Guard("SKIP LOCKED in purge", Sql(PURGE, LOCKED, ""), operations.a_purge_meets_a_lock, "a purge waited for a lock"),
    Guard(
        "tenant in purge",
        Sql(PURGE, "t.tenant_id = :tenant_id", ":tenant_id > 0"),
        operations.a_purge_of_another_tenant,
        "a purge took another tenant's task",
    ),
    Guard(
        "drain in the heartbeat",
        Sql("shared.db.heartbeat:BEAT", "CASE state WHEN 'draining' THEN state ELSE $2 END", "$2"),
        operations.a_drained_worker_beats,
        "a drain was forgotten",
    ),
]
