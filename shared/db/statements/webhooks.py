"""Webhook deliveries: taken by lease, recorded by lease, listed, replayed. Triggers write them as things end."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.rows import TASK_COLUMNS, dumps, task_of
from shared.db.statements.workflows import workflow_of_json
from shared.domain.webhooks import Attempted, ClaimedDelivery, Delivery, DeliveryState

MOST_KEPT = 20
"""Attempts kept of one delivery: a person may replay it without end."""
FIRST = (0, "")
"""Before every tenant and endpoint."""
LAST_ID = UUID(int=2**128 - 1)

# What became due, and what was held for too long. ``due_at`` of a held delivery is the end of its lease.
STAGE = text("""
    WITH late AS MATERIALIZED (
        SELECT d.id FROM webhook_deliveries d
        WHERE d.state = 'waiting' AND NOT d.is_due AND d.due_at <= now()
        ORDER BY d.due_at LIMIT :most FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE webhook_deliveries d SET is_due = true, lease = NULL FROM late WHERE d.id = late.id
""")

# A tenant's deliveries to one host are a lane. The walk goes from lane to lane, by a few probes of indexes each, so a
# lane of a million costs no more than a lane of one; a lane that has nothing due is not in the index.
CLAIM = text(f"""
    WITH RECURSIVE lane AS (
        (SELECT d.tenant_id, d.endpoint FROM webhook_deliveries d
         WHERE d.is_due AND (d.tenant_id, d.endpoint) > (:tenant_id, :endpoint)
         ORDER BY d.tenant_id, d.endpoint LIMIT 1)
        UNION ALL
        SELECT following.tenant_id, following.endpoint FROM lane CROSS JOIN LATERAL (
            SELECT d.tenant_id, d.endpoint FROM webhook_deliveries d
            WHERE d.is_due AND (d.tenant_id, d.endpoint) > (lane.tenant_id, lane.endpoint)
            ORDER BY d.tenant_id, d.endpoint LIMIT 1
        ) following
    ), pick AS MATERIALIZED (
        SELECT due.id FROM lane CROSS JOIN LATERAL (
            SELECT d.id FROM webhook_deliveries d
            WHERE d.is_due AND d.tenant_id = lane.tenant_id AND d.endpoint = lane.endpoint
            ORDER BY d.due_at
            LIMIT GREATEST(0, :most_of_a_lane - (
                SELECT count(*) FROM webhook_deliveries held
                WHERE held.lease IS NOT NULL AND held.tenant_id = lane.tenant_id AND held.endpoint = lane.endpoint))
            FOR NO KEY UPDATE SKIP LOCKED
        ) due
        LIMIT :most
    ), taken AS (
        UPDATE webhook_deliveries d
        SET lease = :lease, is_due = false, due_at = now() + make_interval(secs => :lease_seconds)
        FROM pick WHERE d.id = pick.id
        RETURNING d.id, d.tenant_id, d.task_id, d.workflow_id, d.endpoint, d.url, d.type, d.step, d.snapshot
    )
    SELECT taken.id AS delivery_id, taken.endpoint, taken.url, taken.type AS event_type, taken.step,
           ARRAY(SELECT s.salt FROM webhook_secrets s
                 WHERE s.tenant_id = taken.tenant_id AND (s.expires_at IS NULL OR s.expires_at > now())
                 ORDER BY s.expires_at DESC NULLS FIRST) AS salts,
           taken.tenant_id AS of_tenant, to_jsonb(jsonb_populate_record(workflows, taken.snapshot)) AS workflow,
           {TASK_COLUMNS}
    FROM taken
    LEFT JOIN tasks ON tasks.id = taken.task_id AND tasks.tenant_id = taken.tenant_id
    LEFT JOIN LATERAL jsonb_populate_record(tasks, taken.snapshot) AS t ON taken.task_id IS NOT NULL
    LEFT JOIN workflows ON workflows.id = taken.workflow_id AND workflows.tenant_id = taken.tenant_id
    ORDER BY taken.tenant_id, taken.endpoint
""")

# After a 410 nothing of this task or workflow is tried again, unless a person asks.
RECORD = text("""
    WITH done AS (
        UPDATE webhook_deliveries d
        SET state = :state, lease = NULL, step = d.step + 1, attempt = d.attempt + 1,
            due_at = now() + make_interval(secs => :delay),
            finished_at = CASE WHEN :state = 'waiting' THEN NULL ELSE now() END,
            attempts = jsonb_path_query_array(d.attempts, '$[last - $kept to last]', CAST(:kept AS jsonb))
                || (jsonb_build_object('at', now() - make_interval(secs => :duration)) || CAST(:attempt AS jsonb))
        WHERE d.id = :id AND d.tenant_id = :tenant_id AND d.lease = :lease
        RETURNING d.id, d.task_id, d.workflow_id
    ), stopped AS (
        UPDATE webhook_deliveries d SET state = 'gone', lease = NULL, is_due = false, finished_at = now()
        FROM done
        WHERE :state = 'gone' AND (d.task_id = done.task_id OR d.workflow_id = done.workflow_id)
          AND d.id <> done.id AND d.tenant_id = :tenant_id AND d.state = 'waiting'
    )
    SELECT id FROM done
""")

GIVE_BACK = text("""
    UPDATE webhook_deliveries d SET lease = NULL, is_due = true, due_at = now()
    WHERE d.id = :id AND d.tenant_id = :tenant_id AND d.lease = :lease
""")

COLUMNS = """d.id, d.task_id, d.workflow_id, d.generation, d.type, d.url, d.state, d.attempt, d.created_at,
    d.finished_at, d.attempts, CASE WHEN d.state = 'waiting' THEN d.due_at END AS due_at"""

OF_TASK = text(f"""
    SELECT {COLUMNS} FROM webhook_deliveries d
    WHERE d.task_id = :task_id AND d.tenant_id = :tenant_id ORDER BY d.generation
""")

OF_WORKFLOW = text(f"""
    SELECT {COLUMNS} FROM webhook_deliveries d
    WHERE d.workflow_id = :workflow_id AND d.tenant_id = :tenant_id ORDER BY d.generation
""")

# Each state is a run of its own in the index: whatever is asked for, a page of each is all that is read. Compared and
# ordered as pairs, or the planner would walk the primary key and look for a rare state among all the others.
PAGE = text(f"""
    SELECT one.* FROM unnest(CAST(:states AS text[])) AS wanted (state) CROSS JOIN LATERAL (
        SELECT {COLUMNS} FROM webhook_deliveries d
        WHERE d.tenant_id = :tenant_id AND (d.state, d.id) < (wanted.state, :before)
              AND (d.state, d.id) >= (wanted.state, CAST('00000000-0000-0000-0000-000000000000' AS uuid))
        ORDER BY d.state DESC, d.id DESC LIMIT :limit
    ) one
    ORDER BY one.id DESC LIMIT :limit
""")

FIND = text("SELECT id FROM webhook_deliveries WHERE id = :id AND tenant_id = :tenant_id")

# One that is under way is left alone: two attempts of it at once would help nobody.
REPLAY = text(f"""
    UPDATE webhook_deliveries d
    SET state = 'waiting', step = 0, lease = NULL, is_due = true, due_at = now(), finished_at = NULL
    WHERE d.id = :id AND d.tenant_id = :tenant_id AND (d.lease IS NULL OR d.due_at <= now())
    RETURNING {COLUMNS}
""")


async def stage(session: AsyncSession, *, most: int) -> None:
    """Make due what is due by now, the oldest ``most``."""
    await session.execute(STAGE, {"most": most})


async def claim(
    session: AsyncSession,
    *,
    lease: UUID,
    lease_seconds: float,
    most: int,
    most_of_a_lane: int,
    after: tuple[int, str] = FIRST,
) -> list[ClaimedDelivery]:
    """Take at most ``most`` due deliveries of the lanes after ``after``, in the order of lanes.

    ``most_of_a_lane`` bounds what is under way to one tenant's host, over all processes (two that claim at the same
    moment may exceed it once).
    """
    parameters = {
        "lease": lease,
        "lease_seconds": lease_seconds,
        "most": most,
        "most_of_a_lane": most_of_a_lane,
        "tenant_id": after[0],
        "endpoint": after[1],
    }
    return [_claimed(row, lease) for row in (await session.execute(CLAIM, parameters)).mappings()]


async def record(
    session: AsyncSession, delivery: ClaimedDelivery, done: Attempted, state: DeliveryState, delay: timedelta
) -> bool:
    """Write how an attempt went; False: the lease was lost, and another process has the delivery."""
    attempt = {"status": done.status, "error": done.error, "duration": round(done.duration, 3)}
    parameters = {
        **_held(delivery),
        "state": state.value,
        "delay": delay.total_seconds(),
        "duration": done.duration,
        "attempt": dumps(attempt),
        "kept": dumps({"kept": MOST_KEPT - 2}),
    }
    return (await session.execute(RECORD, parameters)).first() is not None


async def give_back(session: AsyncSession, delivery: ClaimedDelivery) -> None:
    """Let another process have it at once."""
    await session.execute(GIVE_BACK, _held(delivery))


async def of_task(session: AsyncSession, tenant_id: int, task_id: UUID) -> list[Delivery]:
    """A task's deliveries, by generation."""
    rows = await session.execute(OF_TASK, {"task_id": task_id, "tenant_id": tenant_id})
    return [_delivery(row) for row in rows.mappings()]


async def of_workflow(session: AsyncSession, tenant_id: int, workflow_id: UUID) -> list[Delivery]:
    """A workflow's own deliveries, by generation."""
    rows = await session.execute(OF_WORKFLOW, {"workflow_id": workflow_id, "tenant_id": tenant_id})
    return [_delivery(row) for row in rows.mappings()]


async def page(
    session: AsyncSession, tenant_id: int, states: Collection[DeliveryState], *, limit: int, before: UUID | None
) -> list[Delivery]:
    """A tenant's deliveries in one of ``states``, newest first, ids below ``before``."""
    wanted = {"states": [state.value for state in states], "before": before or LAST_ID, "limit": limit}
    rows = await session.execute(PAGE, {"tenant_id": tenant_id, **wanted})
    return [_delivery(row) for row in rows.mappings()]


async def exists(session: AsyncSession, tenant_id: int, delivery_id: UUID) -> bool:
    return (await session.execute(FIND, {"id": delivery_id, "tenant_id": tenant_id})).first() is not None


async def replay(session: AsyncSession, tenant_id: int, delivery_id: UUID) -> Delivery | None:
    """Due now, with the whole schedule before it; None: an attempt is under way, or there is none such."""
    row = (await session.execute(REPLAY, {"id": delivery_id, "tenant_id": tenant_id})).mappings().first()
    return None if row is None else _delivery(row)


def _held(delivery: ClaimedDelivery) -> dict[str, Any]:
    return {"id": delivery.id, "tenant_id": delivery.tenant_id, "lease": delivery.lease}


def _claimed(row: RowMapping, lease: UUID) -> ClaimedDelivery:
    return ClaimedDelivery(
        id=row["delivery_id"],
        tenant_id=row["of_tenant"],
        endpoint=row["endpoint"],
        url=row["url"],
        type=row["event_type"],
        step=row["step"],
        lease=lease,
        salts=tuple(row["salts"]),
        subject=workflow_of_json(row["workflow"]) if row["id"] is None else task_of(row),
    )


def _delivery(row: RowMapping) -> Delivery:
    fields: dict[str, Any] = dict(row)
    return Delivery(**{**fields, "state": DeliveryState(row["state"])})
