"""Claim tasks that have limits: what waits in which line, what runs under which names, and the claim itself.

A claim holds an advisory lock for each limit that it counts, up to its commit: of two that count the same limit, the
second is turned away and comes again. Counted are rows that are PROCESSING, which a rescue moves back: no counter
that could leak.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.statements.claim import CLAIMABLE, IS_PAUSED, NEXT_IN_LINE, TAKE_PICKED, Claimant, claim_with
from shared.domain.limits import Line, names_in
from shared.domain.task import ClaimedTask

LIMITED = "t.limits <> '' AND t.status IN ('PENDING', 'RETRYING')"

# From line to line through the index, however many wait in each; then the first few due tasks of each line.
LINES = text(f"""
    WITH RECURSIVE step AS (
        (
            SELECT t.queue, t.tenant_id, t.limits FROM tasks t
            WHERE {LIMITED} AND (t.queue, t.tenant_id, t.limits) > (:queue, CAST(:tenant_id AS integer), :limits)
            ORDER BY t.queue, t.tenant_id, t.limits LIMIT 1
        )
        UNION ALL
        SELECT next.* FROM step CROSS JOIN LATERAL (
            SELECT t.queue, t.tenant_id, t.limits FROM tasks t
            WHERE {LIMITED} AND (t.queue, t.tenant_id, t.limits) > (step.queue, step.tenant_id, step.limits)
            ORDER BY t.queue, t.tenant_id, t.limits LIMIT 1
        ) next
    )
    SELECT line.queue, line.tenant_id, line.limits, head.due, head.priority, head.run_at
    FROM (SELECT * FROM step LIMIT :most_lines) line
    CROSS JOIN LATERAL (
        SELECT count(*)::int AS due, (array_agg(found.priority))[1] AS priority, (array_agg(found.run_at))[1] AS run_at
        FROM (
            SELECT next.* FROM generate_series(0, 9) AS p (priority) CROSS JOIN LATERAL (
                SELECT t.priority, t.run_at FROM tasks t
                WHERE t.queue = line.queue AND t.tenant_id = line.tenant_id AND t.limits = line.limits
                      AND t.priority = p.priority AND {CLAIMABLE}
                ORDER BY t.run_at LIMIT :most
            ) next
            WHERE line.queue = ANY(CAST(:queues AS text[])) AND NOT {IS_PAUSED}
            LIMIT :most
        ) found
    ) head
""")

# A process that stops between two statements must not hold the locks for long.
LOCK = text("""
    WITH bound AS MATERIALIZED (SELECT set_config('idle_in_transaction_session_timeout', '2000', true))
    SELECT n.name FROM bound, unnest(CAST(:names AS text[])) AS n (name)
    WHERE pg_try_advisory_xact_lock(hashtextextended('limit ' || n.name, 0))
""")

RUNNING = text("""
    SELECT t.tenant_id, t.limits, count(*)::int AS running FROM tasks t
    WHERE t.limits <> '' AND t.status = 'PROCESSING' GROUP BY t.tenant_id, t.limits
""")

AHEAD = text("""
    SELECT r.name, EXTRACT(EPOCH FROM r.busy_until - now())::float8 AS ahead FROM rates r
    WHERE r.name = ANY(CAST(:names AS text[])) AND r.busy_until > now()
""")

USE = text("""
    INSERT INTO rates AS r (name, busy_until)
    SELECT u.name, now() + make_interval(secs => u.seconds)
    FROM unnest(CAST(:names AS text[]), CAST(:seconds AS double precision[])) AS u (name, seconds) ORDER BY u.name
    ON CONFLICT (name) DO UPDATE
    SET busy_until = GREATEST(r.busy_until, now()) + (excluded.busy_until - now())
""")

PRUNE = text("DELETE FROM rates WHERE busy_until < now() - make_interval(secs => :after)")

BY_LINES = text(f"""
    WITH pick AS MATERIALIZED (
        SELECT due.id
        FROM unnest(CAST(:line_queues AS text[]), CAST(:line_tenants AS integer[]), CAST(:line_limits AS text[]),
                    CAST(:line_counts AS integer[])) AS line (queue, tenant_id, limits, most)
        CROSS JOIN LATERAL ({NEXT_IN_LINE} LIMIT line.most) due
        LIMIT :most
    ) {TAKE_PICKED}
""")

Place = tuple[str, int, str]
BEFORE_ALL: Place = ("", 0, "")


async def lines(
    session: AsyncSession, who: Claimant, *, most: int, most_lines: int, behind: Place
) -> tuple[list[Line], Place]:
    """The lines of ``who``'s queues in which something is due, with up to ``most`` each; and where to go on.

    At most ``most_lines`` are looked at, beginning behind a place; ``BEFORE_ALL``: the end was reached.
    """
    queue, tenant_id, limits = behind
    parameters = {"queue": queue, "tenant_id": tenant_id, "limits": limits, "most": most, "most_lines": most_lines}
    may = {"queues": list(who.queues), "types": list(who.types), "worker_id": who.worker_id}
    seen = list((await session.execute(LINES, {**parameters, **may})).mappings())
    found = [Line(**row) for row in seen if row["due"]]
    if len(seen) < most_lines:
        return found, BEFORE_ALL
    last = seen[-1]
    return found, (last["queue"], last["tenant_id"], last["limits"])


async def lock(session: AsyncSession, names: Sequence[str]) -> set[str]:
    """Lock those of ``names`` that nobody else holds, until the transaction ends; never waits."""
    return set((await session.execute(LOCK, {"names": list(names)})).scalars())


async def running(session: AsyncSession) -> Counter[str]:
    """How many tasks run under each name."""
    counts: Counter[str] = Counter()
    for row in await session.execute(RUNNING):
        counts.update(dict.fromkeys(names_in(row.tenant_id, row.limits), row.running))
    return counts


async def ahead(session: AsyncSession, names: Sequence[str]) -> dict[str, float]:
    """How many seconds ahead of now each of these rates was used; one that lies behind is absent."""
    if not names:
        return {}
    return {row.name: row.ahead for row in await session.execute(AHEAD, {"names": list(names)})}


async def use(session: AsyncSession, seconds: Mapping[str, float]) -> None:
    """Move each rate ahead by so many seconds."""
    if seconds:
        await session.execute(USE, {"names": list(seconds), "seconds": list(seconds.values())})


async def claim_by_lines(
    session: AsyncSession, who: Claimant, lease: UUID, counts: Mapping[Line, int]
) -> list[ClaimedTask]:
    """Own up to so many due tasks of each line; the caller holds the locks of their limits."""
    parameters = {
        "line_queues": [line.queue for line in counts],
        "line_tenants": [line.tenant_id for line in counts],
        "line_limits": [line.limits for line in counts],
        "line_counts": list(counts.values()),
        "most": sum(counts.values()),
    }
    return await claim_with(session, BY_LINES, who, lease, parameters)


async def prune(session: AsyncSession, *, after: float) -> None:
    """Forget rates that were not used for so many seconds."""
    await session.execute(PRUNE, {"after": after})
