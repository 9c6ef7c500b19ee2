"""Read tasks: one, a page of them, the attempts of one, and what waits."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.lane import Runner
from shared.db.rows import TASK_COLUMNS, attempt_of, past_run_of, task_of
from shared.domain.live import PastRun
from shared.domain.states import Status
from shared.domain.task import Attempt, Task, TaskFilter

ONE = text(f"SELECT {TASK_COLUMNS} FROM tasks t WHERE t.id = :id AND t.tenant_id = :tenant_id")

MANY = text(f"""
    SELECT {TASK_COLUMNS}
    FROM unnest(CAST(:ids AS uuid[]), CAST(:tenant_ids AS integer[])) AS u (id, tenant_id)
    JOIN tasks t ON t.id = u.id AND t.tenant_id = u.tenant_id
""")

ATTEMPTS = text("""
    SELECT attempt, generation, worker_id, started_at, finished_at, outcome, error
    FROM (
        SELECT a.version, a.attempt, a.generation, a.worker_id, a.started_at, a.finished_at, a.outcome, a.error
        FROM attempts a WHERE a.task_id = :id
        UNION ALL
        SELECT t.version, t.attempt, t.generation, t.worker_id, t.started_at, t.finished_at, t.outcome, t.error
        FROM tasks t WHERE t.id = :id AND t.started_at IS NOT NULL
    ) runs
    ORDER BY version
""")

PAST_RUNS = text("""
    SELECT a.version, a.attempt, a.started_at, a.finished_at, a.outcome, a.error
    FROM attempts a WHERE a.task_id = :id AND a.version < :version AND a.generation = :generation
    ORDER BY a.version
""")

VERSIONS = text("SELECT t.id, t.version FROM tasks t WHERE t.id = ANY(CAST(:ids AS uuid[]))")

FINAL_OF = text("""
    SELECT t.id FROM tasks t
    WHERE t.id = ANY(CAST(:ids AS uuid[])) AND t.status IN ('COMPLETED', 'FAILED', 'CANCELLED')
""")

QUEUE_AGES = text("""
    SELECT t.queue, count(*) AS waiting, EXTRACT(EPOCH FROM now() - min(t.run_at))::float8 AS oldest_age
    FROM tasks t WHERE t.status IN ('PENDING', 'RETRYING') AND t.run_at <= now() AND t.tenant_id = :tenant_id
    GROUP BY t.queue
""")


async def get_tasks(runner: Runner, wanted: Sequence[tuple[int, UUID]]) -> dict[UUID, Task]:
    """Those of ``wanted`` (tenant, task) that exist."""
    parameters = {"tenant_ids": [tenant for tenant, _ in wanted], "ids": [task for _, task in wanted]}
    return {row["id"]: task_of(row) for row in (await runner.execute(MANY, parameters)).mappings()}


async def get_task(session: AsyncSession, tenant_id: int, task_id: UUID) -> Task | None:
    row = (await session.execute(ONE, {"id": task_id, "tenant_id": tenant_id})).mappings().first()
    return None if row is None else task_of(row)


async def list_attempts(session: AsyncSession, task_id: UUID) -> list[Attempt]:
    """Every run of a task, oldest first, the one under way included."""
    rows = await session.execute(ATTEMPTS, {"id": task_id})
    return [attempt_of(row) for row in rows.mappings()]


async def past_runs(session: AsyncSession, task: Task) -> list[PastRun]:
    """The recorded runs of the task's generation, oldest first, as of when ``task`` was read."""
    parameters = {"id": task.id, "version": task.version, "generation": task.generation}
    return [past_run_of(row) for row in (await session.execute(PAST_RUNS, parameters)).mappings()]


async def versions(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, int]:
    """How often each of these tasks has changed its state; one that is gone is absent."""
    return {row.id: row.version for row in await session.execute(VERSIONS, {"ids": list(ids)})}


async def which_are_final(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    return set((await session.execute(FINAL_OF, {"ids": list(ids)})).scalars())


async def queue_ages(session: AsyncSession, tenant_id: int) -> dict[str, tuple[int, float]]:
    """Due tasks and the age in seconds of the oldest, by queue; queues with none are absent."""
    rows = await session.execute(QUEUE_AGES, {"tenant_id": tenant_id})
    return {row.queue: (row.waiting, row.oldest_age) for row in rows}


async def list_tasks(
    session: AsyncSession, tenant_id: int, wanted: TaskFilter, *, limit: int, before: UUID | None
) -> list[Task]:
    """Newest first, ids below ``before``; UUIDv7 ids sort by creation."""
    conditions = ["t.tenant_id = :tenant_id"]
    parameters: dict[str, object] = {"tenant_id": tenant_id, "limit": limit}

    def narrow(condition: str, name: str, value: object) -> None:
        if value:
            conditions.append(condition)
            parameters[name] = value

    narrow("t.id < :before", "before", before)
    narrow("t.type = ANY(CAST(:types AS text[]))", "types", list(wanted.types))
    narrow("t.queue = ANY(CAST(:queues AS text[]))", "queues", list(wanted.queues))
    narrow("t.tags && CAST(:tags AS text[])", "tags", list(wanted.tags))
    narrow("t.created_at > :created_after", "created_after", wanted.created_after)
    narrow("t.created_at < :created_before", "created_before", wanted.created_before)
    if wanted.statuses:
        conditions.append(_status_condition(wanted.statuses, parameters))
    where = " AND ".join(conditions)
    statement = text(f"SELECT {TASK_COLUMNS} FROM tasks t WHERE {where} ORDER BY t.id DESC LIMIT :limit")
    return [task_of(row) for row in (await session.execute(statement, parameters)).mappings()]


def _status_condition(statuses: tuple[Status, ...], parameters: dict[str, object]) -> str:
    """SCHEDULED is a PENDING row due later, and then that row is not PENDING to a reader."""
    stored = [s.value for s in statuses if s not in {Status.SCHEDULED, Status.PENDING}]
    choices = []
    if stored == ["FAILED"] and len(statuses) == 1:
        return "t.status = 'FAILED'"  # spelled out, so that the partial index serves it
    if stored:
        parameters["statuses"] = stored
        choices.append("t.status = ANY(CAST(:statuses AS text[]))")
    if Status.SCHEDULED in statuses:
        choices.append("(t.status = 'PENDING' AND t.run_at > now())")
    if Status.PENDING in statuses:
        choices.append("(t.status = 'PENDING' AND t.run_at <= now())")
    return f"({' OR '.join(choices)})"
