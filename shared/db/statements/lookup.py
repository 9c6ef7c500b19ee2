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


PAGE_BYTES = 16_777_216
"""Of JSON in a page: one task may have three MiB of it, and two hundred of them would fill a small machine."""
# Counted in the order of the page, so that the first task is always in it. Those left out never leave PostgreSQL.
BYTES_BEFORE = """coalesce(sum(octet_length(t.input::text) + coalesce(octet_length(t.metadata::text), 0)
    + coalesce(octet_length(t.result::text), 0))
    OVER (ORDER BY t.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)"""


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


async def list_tasks(
    session: AsyncSession, tenant_id: int, wanted: TaskFilter, *, limit: int, before: UUID | None
) -> tuple[list[Task], bool]:
    """A page, newest first, ids below ``before``, and whether more follow; UUIDv7 ids sort by creation.

    It ends before ``limit`` where its tasks are large.
    """
    conditions = ["t.tenant_id = :tenant_id"]
    # One more than asked for tells whether there is another page.
    parameters: dict[str, object] = {"tenant_id": tenant_id, "limit": limit + 1, "most_bytes": PAGE_BYTES}

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
    statement = text(f"""
        SELECT * FROM (
            SELECT {TASK_COLUMNS}, count(*) OVER () AS found, {BYTES_BEFORE} AS bytes_before
            FROM (SELECT * FROM tasks t WHERE {where} ORDER BY t.id DESC LIMIT :limit) t
        ) page
        WHERE bytes_before < :most_bytes ORDER BY id DESC
    """)
    rows = list((await session.execute(statement, parameters)).mappings())
    page = rows[:limit]
    return [task_of(row) for row in page], bool(page) and page[0]["found"] > len(page)


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
