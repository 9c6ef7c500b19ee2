"""How PostgreSQL finds rows for the hot statements: by index and nested loop, whatever the table's size.

Each statement is planned for its own parameters and, as a prepared statement is after some runs,
for any: PostgreSQL may take either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

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
from tests.support.crowd import AUDIT, DELIVERIES, crowded
from tests.support.plans import Recorded, is_ours, plan_of, walk
from tests.support.servers import Servers
from tests.support.stores import QUEUES

WORKER = uuid4()
WHO = Claimant(WORKER, QUEUES, ("simple_calculation", "unreliable_task"))


@pytest_asyncio.fixture(scope="module")
async def connection(servers: Servers) -> AsyncIterator[AsyncConnection]:
    async with crowded(servers, AUDIT, DELIVERIES) as opened:
        yield opened


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
