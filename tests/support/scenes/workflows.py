"""Workflows whose nodes end at one moment, twice, late, or while somebody cancels, retries or removes them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.db.statements import workflow_moves
from shared.domain.errors import Conflict
from shared.domain.ids import first_id_at, new_id
from shared.domain.task import ClaimedTask, NewTask
from shared.domain.verdict import TaskError, Verdict, completed, failed
from shared.domain.workflow import NewNode, NewWorkflow, OnFailure, link
from shared.queue import workflows
from shared.queue.claim import Claimant, claim_next
from shared.queue.retention import Cleanup
from shared.queue.retry import retry
from shared.queue.stores import Stores
from shared.queue.webhooks import deliveries_of_workflow
from shared.queue.workflows import Shown
from tests.support.scenes.making import ended, execute
from tests.support.stores import registered
from tests.support.verbs import TENANT, until_met, within

BROKEN = failed(TaskError("ValueError", "it broke", retryable=False))
DONE = completed('{"n": 1}')
Given = Mapping[str, Any]
AGED = (
    "UPDATE workflow_nodes SET task_id = CAST('0190' || substr(task_id::text, 5) AS uuid) WHERE workflow_id = :id",
    "UPDATE tasks SET id = CAST('0190' || substr(CAST(id AS text), 5) AS uuid) WHERE workflow_id = :id",
    "UPDATE tasks SET finished_at = finished_at - interval '40 days' WHERE workflow_id = :id",
    "UPDATE workflows SET finished_at = finished_at - interval '40 days' WHERE id = :id",
)
UNSOUND = """
    SELECT w.id::text || ': counts' FROM workflows w CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE n.state = 'COMPLETED') AS completed, count(*) AS total,
               count(*) FILTER (WHERE n.state = 'FAILED') AS failed,
               count(*) FILTER (WHERE n.state = 'CANCELLED') AS cancelled
        FROM workflow_nodes n WHERE n.workflow_id = w.id
    ) c WHERE (w.total, w.completed, w.failed, w.cancelled) <> (c.total, c.completed, c.failed, c.cancelled)
    UNION ALL
    SELECT n.name || ': ' || n.state || ', its task ' || COALESCE(t.status, 'lost')
    FROM workflow_nodes n LEFT JOIN tasks t ON t.id = n.task_id
    WHERE n.task_id IS NOT NULL
          AND n.state IS DISTINCT FROM CASE WHEN t.finished_at IS NULL THEN 'RELEASED' ELSE t.status END
    UNION ALL
    SELECT n.name || ': waits for ' || n.pending || ' of ' || array_to_string(n.after, ',')
    FROM workflow_nodes n
    WHERE n.state = 'WAITING' AND (n.pending = 0 OR n.pending <> (
        SELECT count(*) FROM workflow_nodes b
        WHERE b.workflow_id = n.workflow_id AND b.name = ANY(n.after) AND b.state IN ('WAITING', 'RELEASED')))
    UNION ALL
    SELECT t.id::text || ': a task of no node' FROM tasks t
    WHERE t.workflow_id IS NOT NULL AND t.finished_at IS NULL
          AND NOT EXISTS (SELECT FROM workflow_nodes n WHERE n.task_id = t.id AND n.workflow_id = t.workflow_id)
"""
"""What must never be seen between two statements, whoever looks."""


def planned(nodes: Mapping[str, Given], **given: Any) -> NewWorkflow:
    """Nodes as a request has them; each may also give fields of its task."""
    graph = link({name: (list(node.get("after", ())), node.get("input", {})) for name, node in nodes.items()})
    made = [
        NewNode(name, _task(node), OnFailure(node.get("on_failure", "cancel")), graph[name])
        for name, node in nodes.items()
    ]
    return NewWorkflow(**{"id": new_id(), "name": None, "nodes": made, **given})


def _task(node: Given) -> NewTask:
    fields: dict[str, Any] = {"type": "simple_calculation", "input": {}, "queue": "demo_tasks", "priority": 5}
    own = {name: value for name, value in node.items() if name not in {"after", "on_failure"}}
    return NewTask(**{"id": new_id(), "timeout": 60.0, "max_attempts": 1, **fields, **own})


async def submitted(stores: Stores, nodes: Mapping[str, Given], **given: Any) -> UUID:
    new = planned(nodes, **given)
    await workflows.submit(stores, TENANT, new)
    return new.id


async def shown(stores: Stores, flow: UUID) -> Shown:
    return await workflows.get(stores, TENANT, flow)


async def states(stores: Stores, flow: UUID) -> dict[str, str]:
    return {node.name: str(node.status) for node in (await shown(stores, flow)).nodes}


async def task_of(stores: Stores, flow: UUID, name: str) -> UUID:
    [found] = [node.task_id for node in (await shown(stores, flow)).nodes if node.name == name]
    assert found is not None
    return found


async def claimed(stores: Stores, flow: UUID, who: Claimant | None = None) -> dict[str, ClaimedTask]:
    """Every node of it that may run, running."""
    names = {node.task_id: node.name for node in (await shown(stores, flow)).nodes}
    runs = await claim_next(stores, who or await registered(stores), 1_000)
    return {names[run.id]: run for run in runs}


async def run(stores: Stores, flow: UUID, **verdicts: Verdict) -> None:
    """Run it to its end: each node completes, or comes to its own of ``verdicts``."""
    while runs := await claimed(stores, flow):
        for name, one in runs.items():
            await ended(stores, one, verdicts.get(name, DONE))


async def aged(stores: Stores, flow: UUID) -> None:
    """Let what ended of it have ended forty days ago; its tasks have ids of 2024."""
    for statement in AGED:
        await execute(stores, statement, id=flow)


async def unsound(stores: Stores) -> list[str]:
    """Every breach of what holds between nodes, tasks and counters."""
    async with stores.db.autocommit() as session:
        return list((await session.execute(text(UNSOUND))).scalars())


async def a_successor_follows(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}, "b": {"after": ["a"]}})
    await ended(stores, (await claimed(stores, flow))["a"], DONE)
    assert (await states(stores, flow))["b"] == "PENDING", "nothing followed"


async def two_predecessors_end_at_once(stores: Stores) -> None:
    """The second is settled while the first's end is not committed: each sees the other's node as running."""
    flow = await submitted(stores, {"a": {}, "b": {}, "c": {"after": ["a", "b"]}})
    runs = await claimed(stores, flow)
    async with stores.db.transaction() as session:
        await ended(within(stores, session), runs["a"], DONE)
        other = asyncio.ensure_future(ended(stores, runs["b"], DONE))
        await until_met(session, other)
    await other
    assert (await states(stores, flow))["c"] == "PENDING", "both ended, and nothing followed"


async def a_node_ends_twice(stores: Stores) -> None:
    """A settle that is repeated, and an end that a retry follows: what comes after waits for every predecessor."""
    flow = await submitted(stores, {"a": {}, "b": {}, "c": {"after": ["a", "b"], "on_failure": "continue"}})
    runs = await claimed(stores, flow)
    await ended(stores, runs["a"], BROKEN)
    await retry(stores, TENANT, runs["a"].id)
    await ended(stores, (await claimed(stores, flow))["a"], BROKEN)
    assert (await states(stores, flow))["c"] == "WAITING", "one predecessor counted for two"


async def a_cancel_meets_an_end(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}, "b": {"after": ["a"]}})
    runs = await claimed(stores, flow)
    await workflows.cancel(stores, TENANT, flow)
    await ended(stores, runs["a"], DONE)
    assert (await states(stores, flow))["b"] == "CANCELLED", "a cancelled workflow went on"


async def who_cancels_dies_in_between(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}, "b": {"after": ["a"]}})
    async with stores.db.autocommit() as session:
        await workflow_moves.cancel(session, TENANT, flow)
    await workflows.finish_cancels(stores)
    assert (await states(stores, flow))["a"] == "CANCELLED", "half a cancel stayed half"


async def one_that_runs_is_retried(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}, "b": {}})
    runs = await claimed(stores, flow)
    await ended(stores, runs["a"], BROKEN)
    [said] = await asyncio.gather(workflows.retry(stores, TENANT, flow), return_exceptions=True)
    assert isinstance(said, Conflict), "a workflow that had not ended was begun again"


async def another_tenant_cancels(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}, "b": {"after": ["a"]}})
    await asyncio.gather(workflows.cancel(stores, TENANT + 1, flow), return_exceptions=True)
    assert (await states(stores, flow))["b"] == "WAITING", "another tenant cancelled a workflow"


async def its_end_is_told(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}}, callback_url="https://hooks.example/")
    await run(stores, flow)
    assert len(await deliveries_of_workflow(stores, TENANT, flow)) == 1, "nobody will be told of a workflow's end"


async def a_cleanup_meets_a_long_workflow(stores: Stores) -> None:
    """What ended of it ended long ago, and one of its nodes is still to come."""
    nodes = {"a": {}, "b": {"input": {"x": {"$from": "a"}}, "delay": 3_600.0}}
    flow = await submitted(stores, nodes, id=first_id_at(datetime.now(UTC) - timedelta(days=40)))
    await run(stores, flow)
    await aged(stores, flow)
    await Cleanup().run(stores)
    assert await unsound(stores) == [], "the result of a workflow that goes on was removed"
