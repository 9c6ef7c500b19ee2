"""How PostgreSQL finds rows for the hot statements: by index and nested loop, whatever the table's size.

Each statement is planned for its own parameters and, as a prepared statement is after some runs,
for any: PostgreSQL may take either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import orjson
import pytest
import pytest_asyncio
from sqlalchemy import TextClause, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine

from shared.db.statements import (
    audit,
    bulk,
    claim,
    gauges,
    hourly_stats,
    limits,
    liveness,
    lookup,
    moves,
    queues,
    settle,
    stats,
    unique,
    webhooks,
    workers,
    workflow_moves,
    workflows,
)
from shared.db.statements.claim import Claimant
from shared.domain.ids import new_id
from shared.domain.limits import Line
from shared.domain.operations import BulkAction, Operation, OperationState, Selection
from shared.domain.states import Status
from shared.domain.task import NewTask, Task, TaskFilter
from shared.domain.verdict import completed
from shared.domain.webhooks import DeliveryState
from tests.support.servers import Servers
from tests.support.stores import QUEUES

WORKER = uuid4()
WHO = Claimant(WORKER, QUEUES, ("simple_calculation", "unreliable_task"))

# Of forty tasks 32 are done, 1 failed, 1 runs, and 6 wait, 1 of them for tomorrow; of 200 tenants; ids as UUIDv7 are.
SEED = """
    INSERT INTO tasks (id, tenant_id, type, queue, priority, status, lease, worker_id, max_attempts, timeout, input,
                       created_at, run_at, started_at, finished_at, expires_at, tags, limits)
    SELECT CAST(lpad(to_hex(1700000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0') AS uuid),
           1 + n / 40 % 200, 'simple_calculation',
           (ARRAY['urgent', 'ai_processing', 'demo_tasks'])[1 + n % 3], n / 3 % 10, s.status,
           CASE WHEN s.status = 'PROCESSING' THEN gen_random_uuid() END,
           CASE WHEN s.status IN ('PROCESSING', 'COMPLETED') THEN gen_random_uuid() END,
           4, 60, jsonb_build_object('n', n), now() - interval '1 day',
           now() + CASE WHEN n % 40 = 38 THEN interval '1 day' ELSE interval '-1 day' END,
           CASE WHEN s.status IN ('PROCESSING', 'COMPLETED') THEN now() - interval '1 hour' END,
           CASE WHEN s.status IN ('COMPLETED', 'FAILED') THEN now() END,
           CASE WHEN n % 50 = 0 THEN now() + interval '1 hour' END, ARRAY['tag' || n % 100],
           -- Of one tenant half have a limit, most of them the same.
           CASE WHEN n / 40 % 200 = 3 AND n % 2 = 0 THEN 'key:' || CASE WHEN n % 80 = 0 THEN n ELSE 0 END ELSE '' END
    FROM generate_series(1, 40000) AS n,
         LATERAL (SELECT CASE WHEN n % 40 < 32 THEN 'COMPLETED' WHEN n % 40 = 32 THEN 'FAILED'
                              WHEN n % 40 = 33 THEN 'PROCESSING' WHEN n % 40 = 34 THEN 'RETRYING'
                              ELSE 'PENDING' END AS status) s
"""
ATTEMPTS = """
    INSERT INTO attempts (task_id, version, attempt, generation, started_at, finished_at, outcome)
    SELECT id, 3, 1, 1, now(), now(), 'retried' FROM tasks LIMIT 20000
"""


AUDIT = """
    INSERT INTO audit_log (id, tenant_id, action, target, details)
    SELECT t.id, t.tenant_id, 'queue.pause', 'demo_tasks', '{}' FROM tasks t LIMIT 20000
"""
# 5,000 deliveries of each of four tenants: 90 % are delivered, 5 % failed, 4 % wait, of 1 % the receiver is gone.
DELIVERIES = """
    INSERT INTO webhook_deliveries (id, tenant_id, task_id, generation, type, url, endpoint, state, is_due, finished_at,
                                    snapshot)
    SELECT t.id, 1 + t.n % 4, t.id, 1, 'task.completed', 'https://a/', 'a', s.state, s.state = 'waiting',
           CASE WHEN s.state <> 'waiting' THEN now() END, '{}'
    FROM (SELECT t.*, row_number() OVER () AS n FROM tasks t LIMIT 20000) t CROSS JOIN LATERAL (
        SELECT CASE WHEN t.n % 100 < 90 THEN 'delivered' WHEN t.n % 100 < 95 THEN 'failed'
               WHEN t.n % 100 < 99 THEN 'waiting' ELSE 'gone' END AS state) s
"""
FLOWS = """
    INSERT INTO workflows (id, tenant_id, total)
    SELECT CAST(lpad(to_hex(1700000000000 + n), 12, '0') || '70008000' || lpad(to_hex(n), 12, '0') AS uuid),
           1 + n % 200, 20
    FROM generate_series(1, 2000) AS n
"""
# A node of each task: of twenty in a workflow 16 have ended, 1 waits.
FLOW_NODES = """
    INSERT INTO workflow_nodes (workflow_id, name, tenant_id, place, state, pending, on_failure, task_id, after,
                                successors, spec, input)
    SELECT CAST(lpad(to_hex(1700000000000 + k.n), 12, '0') || '70008000' || lpad(to_hex(k.n), 12, '0') AS uuid),
           'n' || k.place, t.tenant_id, k.place, CASE k.place WHEN 18 THEN 'WAITING' WHEN 19 THEN 'RELEASED'
           ELSE 'COMPLETED' END, 0, 'cancel', CASE WHEN k.place <> 18 THEN t.id END, ARRAY[]::text[],
           ARRAY['n' || k.place + 1], '{}', '{}'
    FROM (SELECT t.*, row_number() OVER (ORDER BY t.id) AS number FROM tasks t) t
    CROSS JOIN LATERAL (SELECT 1 + (t.number - 1) / 20 AS n, (t.number - 1) % 20 AS place) k
"""


class Recorded:
    """Stands in for a session: keeps what a statement function would execute, and answers nothing."""

    def __init__(self) -> None:
        self.statement: TextClause = text("")
        self.parameters: dict[str, Any] = {}

    async def execute(self, statement: TextClause, parameters: dict[str, Any] | None = None) -> Recorded:
        self.statement, self.parameters = statement, parameters or {}
        return self

    def mappings(self) -> Recorded:
        return self

    scalars = mappings

    def first(self) -> None:
        return None

    def __iter__(self) -> Iterator[Any]:
        return iter(())


@pytest_asyncio.fixture(scope="module")
async def connection(servers: Servers) -> AsyncIterator[AsyncConnection]:
    """A database of 40,000 tasks, analysed."""
    with servers.lend_database() as url:
        engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as opened:
            await opened.exec_driver_sql("INSERT INTO tenants (id, name) SELECT n, n FROM generate_series(2, 200) AS n")
            await opened.exec_driver_sql(SEED)
            await opened.exec_driver_sql(ATTEMPTS)
            await opened.exec_driver_sql(AUDIT)
            await opened.exec_driver_sql(DELIVERIES)
            await opened.exec_driver_sql(FLOWS)
            await opened.exec_driver_sql(FLOW_NODES)
            await opened.execute(text("VACUUM ANALYZE"))
            yield opened
        await engine.dispose()


@pytest_asyncio.fixture(scope="module")
async def ids(connection: AsyncConnection) -> list[UUID]:
    found = await connection.execute(text("SELECT id FROM tasks ORDER BY md5(id::text) LIMIT 100"))
    return list(found.scalars())


Call = Callable[[AsyncSession, Sequence[UUID]], Awaitable[object]]
NOW = datetime.now(UTC)
OURS = 1
LINE = Line(QUEUES[0], 4, "key:0", 3, 5, NOW)


ONE_OF_TENANT = {"tasks_pkey", "tasks_list"}
"""Either finds one task of one tenant at once."""


def run_of(task_id: UUID) -> settle.Settlement:
    return settle.Settlement(OURS, task_id, uuid4(), completed("{}"), None)


LAST = UUID(int=2**128 - 1)


def operation(action: BulkAction, wanted: TaskFilter | None) -> Operation:
    place: dict[str, Any] = {"until": LAST, "cursor": UUID(int=0), "total": None}
    counts: dict[str, Any] = {"matched": 0, "done": 0, "skipped": {}}
    times: dict[str, Any] = {"created_at": NOW, "updated_at": NOW, "finished_at": None}
    return Operation(new_id(), OURS, action, OperationState.RUNNING, wanted, **place, **counts, **times)


def indexes_of(action: BulkAction) -> set[str]:
    """A retry looks whether another task has the key, too."""
    return {*ONE_OF_TENANT, "tasks_unique"} if action is BulkAction.RETRY else ONE_OF_TENANT


def step_of(action: BulkAction, wanted: TaskFilter | None) -> Call:
    return lambda s, _: bulk.step(s, operation(action, wanted), looked=5_000, most=500)


KEYED = NewTask(new_id(), "simple_calculation", {}, "urgent", 5, 60.0, 4, unique_key=b"one")
WIDE, NARROW = TaskFilter(), TaskFilter(statuses=(Status.FAILED,), tags=("tag1",), queues=("urgent",))
SELECTION = Selection(wanted=NARROW)


def a_task(task_id: UUID) -> Task:
    """As much of one as naming its runs takes."""
    return cast("Task", SimpleNamespace(id=task_id, version=9, generation=1))


CASES: dict[str, tuple[Call, set[str]]] = {
    "claim one hint": (lambda s, ids: claim.claim_by_ids(s, WHO, uuid4(), ids[:1]), {"tasks_pkey"}),
    "claim many hints": (lambda s, ids: claim.claim_by_ids(s, WHO, uuid4(), ids), {"tasks_pkey"}),
    "poll one": (lambda s, _: claim.claim_by_order(s, WHO, uuid4(), 1), {"tasks_claim", "tasks_pkey"}),
    "poll many": (lambda s, _: claim.claim_by_order(s, WHO, uuid4(), 100), {"tasks_claim", "tasks_pkey"}),
    "lines": (
        lambda s, _: limits.lines(s, WHO, most=10, most_lines=100, behind=limits.BEFORE_ALL),
        {"tasks_limited", "tasks_claim"},
    ),
    "claim by lines": (
        lambda s, _: limits.claim_by_lines(s, WHO, uuid4(), {LINE: 3}),
        {"tasks_claim", "tasks_pkey"},
    ),
    "running under limits": (lambda s, _: limits.running(s), {"tasks_limited_running"}),
    "settle one": (lambda s, ids: settle.settle(s, [run_of(ids[0])]), {"tasks_pkey"}),
    "settle many": (lambda s, ids: settle.settle(s, [run_of(i) for i in ids]), {"tasks_pkey"}),
    "get many": (lambda s, ids: lookup.get_tasks(s, [(OURS, i) for i in ids]), ONE_OF_TENANT),
    "get": (lambda s, ids: lookup.get_task(s, OURS, ids[0]), ONE_OF_TENANT),
    "attempts": (lambda s, ids: lookup.list_attempts(s, ids[0]), {"tasks_pkey", "attempts_pkey"}),
    "past runs": (lambda s, ids: lookup.past_runs(s, a_task(ids[0])), {"attempts_pkey"}),
    "versions": (lookup.versions, {"tasks_pkey"}),
    "which are final": (lookup.which_are_final, {"tasks_pkey"}),
    "rescue": (lambda s, _: liveness.rescue(s, most=500), {"tasks_running", "tasks_pkey"}),
    "owned": (lambda s, _: liveness.owned(s, WORKER), {"tasks_running"}),
    "release": (lambda s, ids: liveness.release(s, [(i, uuid4()) for i in ids]), {"tasks_pkey"}),
    "cancel": (lambda s, ids: moves.cancel(s, OURS, ids[0]), ONE_OF_TENANT),
    "retry": (lambda s, ids: moves.retry(s, OURS, ids[0]), ONE_OF_TENANT),
    "expire": (lambda s, _: moves.expire(s, most=500), {"tasks_expiry", "tasks_pkey"}),
    "statistics of an hour": (lambda s, _: hourly_stats.generate(s, NOW), {"tasks_pkey"}),
    "statistics of a window": (lambda s, _: stats.window(s, OURS, NOW - timedelta(hours=1), NOW), ONE_OF_TENANT),
    "names of queues": (lambda s, _: queues.names(s), {"tasks_claim"}),
    "loads of queues": (lambda s, _: queues.loads(s, OURS, list(QUEUES), most=100), {"tasks_claim"}),
    "loads of all tenants": (lambda s, _: gauges.loads(s, list(QUEUES), most=100), {"tasks_claim"}),
    "running by queue": (lambda s, _: queues.running(s, OURS), {"tasks_running"}),
    "next due": (lambda s, _: queues.next_due(s, OURS, QUEUES[0], most=100), {"tasks_claim"}),
    "purge": (
        lambda s, _: queues.purge(s, OURS, QUEUES[0], before=NOW, after=queues.Place(), most=100),
        {"tasks_claim", "tasks_pkey"},
    ),
    **{
        f"step of {action} by {name}": (step_of(action, wanted), indexes_of(action))
        for action in BulkAction
        for name, wanted in (("all", WIDE), ("filter", NARROW))
    },
    **{f"step of {action} by ids": (step_of(action, None), indexes_of(action)) for action in BulkAction},
    "tasks with these keys": (lambda s, _: unique.twins(s, OURS, [KEYED]), {"tasks_unique"}),
    "look of a survey": (
        lambda s, ids: bulk.look(s, OURS, SELECTION, cursor=ids[0], until=LAST, looked=5_000),
        ONE_OF_TENANT,
    ),
    "running": (lambda s, _: workers.running_by_worker(s, OURS, [WORKER]), {"tasks_running"}),
    "audit log": (lambda s, _: audit.page(s, OURS, limit=50, before=None), {"audit_log_list"}),
    "list": (lambda s, _: lookup.list_tasks(s, OURS, TaskFilter(), limit=50, before=None), {"tasks_list"}),
    "next page": (lambda s, ids: lookup.list_tasks(s, OURS, TaskFilter(), limit=50, before=ids[0]), {"tasks_list"}),
    "list by type": (
        lambda s, _: lookup.list_tasks(s, OURS, TaskFilter(types=("simple_calculation",)), limit=50, before=None),
        {"tasks_list"},
    ),
    "list failed": (
        lambda s, _: lookup.list_tasks(s, OURS, TaskFilter(statuses=(Status.FAILED,)), limit=50, before=None),
        {"tasks_failed"},
    ),
}


OF_WORKFLOWS: dict[str, tuple[Call, set[str]]] = {
    "workflow": (lambda s, ids: workflows.get(s, OURS, ids[0]), {"workflow_nodes_pkey"}),
    "workflows": (lambda s, ids: workflows.page(s, OURS, limit=50, before=ids[0]), {"workflows_list"}),
    "nodes": (lambda s, ids: workflows.nodes(s, OURS, ids[0]), {"workflow_nodes_pkey"}),
    "released": (workflow_moves.released, {"workflow_nodes_task", "workflow_nodes_pkey"}),
    "waiting": (lambda s, ids: workflow_moves.waiting(s, OURS, ids[0]), {"workflow_nodes_pkey"}),
    "cancel": (lambda s, ids: workflow_moves.cancel(s, OURS, ids[0]), {"workflows_pkey", "workflow_nodes_waiting"}),
    "cancel tasks": (lambda s, ids: workflow_moves.cancel_tasks(s, OURS, ids[0], most=500), {"workflow_nodes_pkey"}),
    "half cancelled": (lambda s, _: workflow_moves.half_cancelled(s, most=50), {"workflows_cancelling"}),
}


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", OF_WORKFLOWS)
async def test_a_statement_of_workflows_goes_by_its_index(
    connection: AsyncConnection, ids: list[UUID], name: str, mode: str
) -> None:
    call, indexes = OF_WORKFLOWS[name]
    recorded = Recorded()
    await call(cast("AsyncSession", recorded), ids)
    nodes = list(walk(await plan_of(connection, recorded, mode)))
    assert [node for node in nodes if node["Node Type"] == "Seq Scan"] == []
    used = {node["Index Name"] for node in nodes if str(node.get("Index Name")).startswith("workflow")}
    assert indexes <= used


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("states", [tuple(DeliveryState), (DeliveryState.FAILED,)], ids=["all", "failed"])
async def test_a_page_of_deliveries_goes_by_their_index(
    connection: AsyncConnection, ids: list[UUID], states: tuple[DeliveryState, ...], mode: str
) -> None:
    recorded = Recorded()
    await webhooks.page(cast("AsyncSession", recorded), OURS, states, limit=50, before=ids[0])
    nodes = list(walk(await plan_of(connection, recorded, mode)))
    [scan] = [node for node in nodes if node.get("Relation Name") == "webhook_deliveries"]
    assert (scan.get("Index Name"), scan.get("Scan Direction")) == ("webhook_deliveries_list", "Backward")
    assert all(part in scan["Index Cond"] for part in ("tenant_id", "ROW(state, id) <", "ROW(state, id) >="))


@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
@pytest.mark.parametrize("name", CASES)
async def test_a_hot_statement_goes_by_its_index(
    connection: AsyncConnection, ids: list[UUID], name: str, mode: str
) -> None:
    call, indexes = CASES[name]
    recorded = Recorded()
    await call(cast("AsyncSession", recorded), ids)
    nodes = list(walk(await plan_of(connection, recorded, mode)))
    of_tasks = [node for node in nodes if node.get("Relation Name") == "tasks" and node["Node Type"] != "ModifyTable"]
    if name in {"rescue", "running by queue", "running under limits", "names of queues"}:
        # All running tasks, or the least waiting one: the partial index holds no others.
        whole = {"tasks_running", "tasks_limited_running", "tasks_claim"}
        of_tasks = [node for node in of_tasks if not whole & {node.get("Index Name")}]
    unbounded = [node for node in of_tasks if "Index Cond" not in node and "Recheck Cond" not in node]
    assert unbounded == [], str(unbounded)
    used = {node["Index Name"] for node in nodes if is_ours(node)}
    assert used == indexes or (indexes is ONE_OF_TENANT and used < indexes)
    if indexes in ({"tasks_list"}, {"audit_log_list"}):
        kinds = {node["Node Type"] for node in nodes}
        assert "Sort" not in kinds, "the index gives the order, and the limit ends the scan"


def is_ours(node: dict[str, Any]) -> bool:
    return str(node.get("Index Name")).startswith(("tasks_", "attempts_", "audit_log_"))


async def plan_of(connection: AsyncConnection, recorded: Recorded, mode: str) -> dict[str, Any]:
    """The plan PostgreSQL takes for the statement once prepared."""
    compiled = recorded.statement.compile(dialect=dialect())  # type: ignore[no-untyped-call]
    values = [literal(recorded.parameters[key]) for key in compiled.positiontup or ()]
    await connection.exec_driver_sql(f"SET plan_cache_mode = {mode}")
    await connection.exec_driver_sql(f"PREPARE tried AS {compiled.string}")
    try:
        arguments = f"({', '.join(values)})" if values else ""
        shown = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) EXECUTE tried{arguments}")
        found = shown.scalar_one()
    finally:
        await connection.exec_driver_sql("DEALLOCATE tried")
    plans = orjson.loads(found) if isinstance(found, str) else found
    return cast("dict[str, Any]", plans[0]["Plan"])


def literal(value: Any) -> str:
    """A value as SQL; arrays in PostgreSQL's own notation."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        texts = (part.hex() if isinstance(part, bytes) else part for part in value)
        parts = ("NULL" if part is None else '"' + str(part).replace('"', '\\"') + '"' for part in texts)
        return "'{" + ",".join(parts) + "}'"
    return "'" + str(value).replace("'", "''") + "'"


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)
