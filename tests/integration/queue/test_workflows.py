"""Workflows on the real stores: what follows what, however a task ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from shared.db.statements import workflow_moves
from shared.domain.happenings import Happening, Name
from shared.domain.operations import BulkAction
from shared.domain.states import Status
from shared.domain.task import TaskFilter
from shared.queue.bulk import step
from shared.queue.cancel import cancel
from shared.queue.liveness import rescue
from shared.queue.lookup import list_tasks
from shared.queue.queues import purge
from shared.queue.settle import Settlement, expire, settle
from shared.queue.stores import Stores
from tests.support.flows import CHAIN, status_of, task
from tests.support.scenes import workflows as scenes
from tests.support.scenes.bulk import begun
from tests.support.scenes.making import die, ended, execute
from tests.support.scenes.workflows import BROKEN, DONE, Given, claimed, run, shown, states, submitted, task_of
from tests.support.verbs import TENANT


async def test_a_chain_runs_one_after_the_other(stores: Stores) -> None:
    flow = await submitted(stores, CHAIN)
    assert await states(stores, flow) == {"a": "PENDING", "b": "WAITING", "c": "WAITING"}
    assert await status_of(stores, flow) is Status.PENDING
    seen = []
    while runs := await claimed(stores, flow):
        assert await status_of(stores, flow) is Status.PROCESSING
        seen += list(runs)
        for one in runs.values():
            await ended(stores, one, DONE)
    assert seen == ["a", "b", "c"]
    found = (await shown(stores, flow)).workflow
    assert (found.status, found.completed, found.total, found.generation) == (Status.COMPLETED, 3, 3, 1)


async def test_a_node_of_a_workflow_says_so(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {"tags": ["mine"], "metadata": {"k": "v"}, "priority": 2, "queue": "urgent"}})
    found = await task(stores, flow, "a")
    assert found.tags == ["mine", f"workflow:{flow}"]
    assert found.metadata == {"k": "v", "workflow_id": str(flow), "workflow_node": "a"}
    assert (found.priority, found.queue, found.max_attempts, found.timeout) == (2, "urgent", 1, 60.0)
    listed, _ = await list_tasks(stores, TENANT, TaskFilter(tags=(f"workflow:{flow}",)), limit=10)
    assert [one.id for one in listed] == [found.id]


async def test_a_delay_counts_from_the_release(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}, "b": {"after": ["a"], "delay": 3_600.0}})
    await run(stores, flow)
    found = await task(stores, flow, "b")
    assert found.status is Status.SCHEDULED
    assert 3_590 < (found.run_at - found.created_at).total_seconds() <= 3_600
    assert (await states(stores, flow))["b"] == "SCHEDULED"


async def test_two_predecessors_that_end_at_one_moment_release_what_comes_after_once(stores: Stores) -> None:
    await scenes.two_predecessors_end_at_once(stores)


async def test_an_end_that_a_retry_follows_counts_once(stores: Stores) -> None:
    await scenes.a_node_ends_twice(stores)


async def test_an_end_hints_what_it_released(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = await submitted(stores, CHAIN)
    runs = await claimed(stores, flow)
    hinted: list[UUID] = []
    monkeypatch.setattr(stores, "hint", lambda hints: hinted.extend(one.task_id for one in hints))
    await ended(stores, runs["a"], DONE)
    assert hinted == [await task_of(stores, flow, "b")]


@pytest.mark.parametrize("at_once", [True, False], ids=["in one settle", "in two"])
async def test_a_node_is_told_of_once_when_its_task_is_made(
    stores: Stores, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    told: list[Happening] = []
    monkeypatch.setattr(stores.feed, "tell", told.extend)
    flow = await submitted(stores, {"a": {}, "b": {}, "c": {"after": ["a", "b"]}, "d": {"after": ["b"], "delay": 60.0}})
    runs = await claimed(stores, flow)
    ends = [Settlement(TENANT, runs[name].id, runs[name].lease, DONE, None) for name in "ab"]
    for settlements in [ends] if at_once else [[one] for one in ends]:
        await settle(stores, settlements)
    made = [(one.id, str(one.status)) for one in told if one.name is Name.SUBMITTED]
    due = [(await task_of(stores, flow, name), "PENDING") for name in "abc"]
    assert sorted(made) == sorted([*due, (await task_of(stores, flow, "d"), "SCHEDULED")])


async def test_of_two_ends_the_one_that_made_a_task_tells_of_it(stores: Stores) -> None:
    """Each settle asks what it released once it is committed: the first may ask after the second."""
    flow = await submitted(stores, {"a": {}, "b": {}, "c": {"after": ["a", "b"]}})
    runs = await claimed(stores, flow)
    for name in "ab":
        await ended(stores, runs[name], DONE)
    async with stores.db.autocommit() as session:
        found = {name: await workflow_moves.released(session, [runs[name].id]) for name in "ab"}
    assert {name: [one.is_made for one in fresh] for name, fresh in found.items()} == {"a": [False], "b": [True]}


async def settling(stores: Stores, flow: UUID) -> None:
    await ended(stores, (await claimed(stores, flow))["a"], BROKEN)


async def cancelling(stores: Stores, flow: UUID) -> None:
    await cancel(stores, TENANT, await task_of(stores, flow, "a"))


async def expiring(stores: Stores, flow: UUID) -> None:
    await execute(stores, "UPDATE tasks SET expires_at = now()")
    await expire(stores)


async def purging(stores: Stores, _: UUID) -> None:
    await purge(stores, TENANT, "demo_tasks")


async def losing(stores: Stores, flow: UUID) -> None:
    await claimed(stores, flow)
    await execute(stores, "UPDATE tasks SET losses = 9")
    await die(stores)
    await rescue(stores)


async def losing_what_is_cancelled(stores: Stores, flow: UUID) -> None:
    await claimed(stores, flow)
    await cancelling(stores, flow)
    await die(stores)
    await rescue(stores)


async def cancelling_many(stores: Stores, _: UUID) -> None:
    await step(stores, await begun(stores, BulkAction.CANCEL))


Way = Callable[[Stores, UUID], Awaitable[None]]
WAYS: list[Way] = [settling, cancelling, expiring, purging, cancelling_many, losing, losing_what_is_cancelled]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
async def test_however_a_node_ends_badly_what_comes_after_it_is_cancelled_or_goes_on(stores: Stores, way: Way) -> None:
    nodes: dict[str, Given] = {
        "a": {},
        "lost": {"after": ["a"]},
        "lost-too": {"after": ["lost"]},
        "kept": {"after": ["a"], "on_failure": "continue"},
        "after-both": {"after": ["lost-too", "kept"], "on_failure": "continue"},
    }
    flow = await submitted(stores, nodes)
    await way(stores, flow)
    now = await states(stores, flow)
    assert now["a"] in {"FAILED", "CANCELLED"}
    assert [now[name] for name in ("lost", "lost-too", "kept", "after-both")] == [
        "CANCELLED", "CANCELLED", "PENDING", "WAITING",
    ]  # fmt: skip
    await run(stores, flow)
    assert (await states(stores, flow))["after-both"] == "COMPLETED"
    found = (await shown(stores, flow)).workflow
    assert (found.done, found.cancelled + found.failed, found.status) == (5, 3, Status(now["a"]))
