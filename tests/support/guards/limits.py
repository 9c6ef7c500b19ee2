"""Guards of limits: nobody claims past one, and no tenant takes the share of another."""

from __future__ import annotations

from tests.support.guards.guard import BY_IDS, BY_ORDER, Guard
from tests.support.mutations import Sql
from tests.support.scenes import limits
from tests.support.scenes.making import by_hint, by_poll

COUNT = "shared.db.statements.limits"
TRY_LIMIT = "pg_try_advisory_xact_lock(hashtextextended('limit ' || n.name, 0))"

GUARDS = [
    Guard(
        "lock of a limit",
        Sql(f"{COUNT}:LOCK", TRY_LIMIT, "n.name IS NOT NULL"),
        limits.two_limited_claims_meet,
        "a limit was exceeded",
    ),
    Guard(
        "count of what runs",
        Sql(f"{COUNT}:RUNNING", "t.status = 'PROCESSING'", "t.status = 'COMPLETED'"),
        limits.another_claim_comes(limits.ONE, "a limit was exceeded"),
        "a limit was exceeded",
    ),
    Guard(
        "use of a rate",
        Sql(f"{COUNT}:AHEAD", "r.busy_until > now()", "false"),
        limits.another_claim_comes(limits.HOURLY, "a rate was exceeded"),
        "a rate was exceeded",
    ),
    *(
        Guard(
            f"limits in {way}",
            Sql(where, old, "true"),
            limits.a_claim_that_does_not_count(claim),
            "a claim that counts nothing took a task with a limit",
        )
        for way, where, old, claim in (
            ("claim by id", BY_IDS, "t.limits = ''", by_hint),
            ("poll", BY_ORDER, "t.limits = line.limits", by_poll),
        )
    ),
    Guard(
        "share of a tenant",
        Sql(BY_ORDER, "/ line.sharers", "/ 1"),
        limits.a_tenant_has_a_backlog,
        "a tenant waits behind the backlog of another",
    ),
]
