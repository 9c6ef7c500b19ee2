"""Workflows on the real stores: what follows what, however a task ends; references, cancel, retry, retention."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.db.statements import workflow_moves
from shared.domain.errors import Conflict, NotFound
from shared.domain.happenings import Happening, Name
from shared.domain.operations import BulkAction
from shared.domain.states import Status
from shared.domain.task import ClaimedTask, Task, TaskFilter
from shared.domain.verdict import completed
from shared.domain.views import workflow_view
from shared.domain.webhooks import event
from shared.domain.workflow import FIELDS, Workflow
from shared.queue import workflows
from shared.queue.bulk import step
from shared.queue.cancel import cancel
from shared.queue.claim import claim_hinted, claim_next
from shared.queue.liveness import rescue
from shared.queue.lookup import get_task, list_tasks
from shared.queue.queues import purge
from shared.queue.retention import Cleanup
from shared.queue.retry import retry
from shared.queue.settle import Settlement, expire, settle
from shared.queue.stores import Stores
from shared.queue.webhooks import claim as claim_delivery
from tests.integration.queue.test_retention import OLD, id_of
from tests.support.scenes import workflows as scenes
from tests.support.scenes.bulk import begun
from tests.support.scenes.making import die, ended, execute
from tests.support.scenes.workflows import BROKEN, DONE, Given, aged, claimed, run, shown, states, submitted, task_of
from tests.support.stores import registered
from tests.support.verbs import TENANT

CHAIN = {"a": {}, "b": {"after": ["a"]}, "c": {"after": ["b"]}}
URL = "https://hooks.example/"


async def status_of(stores: Stores, flow: UUID) -> Status:
    return (await shown(stores, flow)).workflow.status


async def task(stores: Stores, flow: UUID, name: str) -> Task:
    return await get_task(stores, TENANT, await task_of(stores, flow, name))


async def value(stores: Stores, statement: str, **given: object) -> Any:
    async with stores.db.autocommit() as session:
        return (await session.execute(text(statement), given)).scalar_one()


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
    listed = await list_tasks(stores, TENANT, TaskFilter(tags=(f"workflow:{flow}",)), limit=10)
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


async def test_a_result_becomes_an_input(stores: Stores) -> None:
    rows = [{"a/b": {"c~d": "deep"}}, [1, 2, None]]
    given = {
        "deep": {"$from": "a", "path": "/result/rows/0/a~1b/c~0d"},
        "item": [0, {"$from": "a", "path": "/result/rows/1/1"}],
        "null": {"$from": "a", "path": "/result/rows/1/2"},
        "whole": {"$from": "a"},
        "id": {"$from": "a", "path": "/id"},
        "plain": 1,
    }
    flow = await submitted(stores, {"a": {}, "b": {"input": given}, "c": {"input": {"$from": "a", "path": "/result"}}})
    await ended(stores, (await claimed(stores, flow))["a"], completed(json.dumps({"rows": rows})))
    assert (await task(stores, flow, "b")).input == {
        "deep": "deep",
        "item": [0, 2],
        "null": None,
        "whole": {"rows": rows},
        "id": str(await task_of(stores, flow, "a")),
        "plain": 1,
    }
    assert (await task(stores, flow, "c")).input == {"rows": rows}


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/result/nothing", "/x"),
        ("/result/rows/3", "/x"),
        ("/result/rows/-1", "/x"),
        ("/result/rows/01", "/x"),
        ("/result/rows/0/deeper", "/x"),
        ("/error/message", "/x"),
        ("/result/rows/0", "/"),
    ],
    ids=str,
)
async def test_a_reference_that_leads_nowhere_fails_the_node_and_nothing_hangs(
    stores: Stores, path: str, place: str
) -> None:
    reference = {"$from": "a", "path": path}
    given = {"x": reference} if place == "/x" else reference
    nodes: dict[str, Given] = {"a": {}, "b": {"input": given, "callback_url": URL}, "c": {"after": ["b"]}}
    flow = await submitted(stores, {**nodes, "d": {"after": ["b"], "on_failure": "continue"}})
    await run(stores, flow, a=completed('{"rows": [1, 2, 3]}'))
    found = await task(stores, flow, "b")
    assert found.error is not None
    assert (found.status, found.error.type, found.error.retryable) == (Status.FAILED, "invalid_reference", False)
    assert found.error.message.startswith(f"{place}: a gave no {path}")
    assert await states(stores, flow) == {"a": "COMPLETED", "b": "FAILED", "c": "CANCELLED", "d": "COMPLETED"}
    assert await status_of(stores, flow) is Status.FAILED
    [told] = await claim_delivery(stores, most=5)
    assert told.subject.id == found.id, "its own callback is told, too"


async def test_a_failed_nodes_error_can_be_referred_to(stores: Stores) -> None:
    given = {"why": {"$from": "a", "path": "/error/message"}, "status": {"$from": "a", "path": "/status"}}
    flow = await submitted(stores, {"a": {}, "b": {"input": given, "on_failure": "continue"}})
    await run(stores, flow, a=BROKEN)
    assert (await task(stores, flow, "b")).input == {"why": "it broke", "status": "FAILED"}


async def test_a_view_holds_what_references_may_begin_with(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}, "b": {}})
    await run(stores, flow, b=BROKEN)
    seen = set()
    for name in "ab":
        seen |= set(await value(stores, "SELECT workflow_view(:flow, :name)", flow=flow, name=name))
    assert seen == FIELDS


@pytest.mark.parametrize(("length", "failed"), [(300, 299), (1_500, 1_000)])
async def test_a_chain_of_nodes_that_cannot_begin_ends_in_one_statement(
    stores: Stores, length: int, failed: int
) -> None:
    """The first thousand fail, the rest is cancelled: a settle must not take longer than a statement may."""
    nodes: dict[str, dict[str, Any]] = {"n0": {}}
    for n in range(1, length):
        reference = {"$from": f"n{n - 1}", "path": "/result/nothing"}
        nodes[f"n{n}"] = {"input": {"x": reference}, "on_failure": "continue"}
    flow = await submitted(stores, nodes)
    await ended(stores, (await claimed(stores, flow))["n0"], DONE)
    found = (await shown(stores, flow)).workflow
    assert (found.completed, found.failed, found.done, found.status) == (1, failed, length, Status.FAILED)


async def test_a_chain_of_ten_thousand_is_lost_with_its_first_in_one_statement(stores: Stores) -> None:
    """Within the time that a statement may take: one that takes longer would be repeated for ever."""
    flow = await submitted(stores, {f"n{n}": {"after": [f"n{n - 1}"]} if n else {} for n in range(10_000)})
    await ended(stores, (await claimed(stores, flow))["n0"], BROKEN)
    found = (await shown(stores, flow)).workflow
    assert (found.failed, found.cancelled, found.status) == (1, 9_999, Status.FAILED)


async def test_what_one_end_copies_is_bounded(stores: Stores) -> None:
    large = completed(json.dumps({"x": "y" * 900_000}))
    nodes = {f"n{n}": {"input": {"x": {"$from": "a", "path": "/result/x"}}} for n in range(60)}
    flow = await submitted(stores, {"a": {}, **nodes, "big": {"input": {"x": [{"$from": "a"}] * 2}}})
    await ended(stores, (await claimed(stores, flow))["a"], large)
    now = await states(stores, flow)
    assert sum(status == "PENDING" for status in now.values()) == 38
    messages = {node.error.message for node in (await shown(stores, flow)).nodes if node.error}
    assert any("32 MiB" in message for message in messages)
    assert now["big"] == "FAILED"


async def test_a_thousand_side_by_side_and_one_after_them(stores: Stores) -> None:
    """Settled in batches by two at a time, in any order."""
    side: dict[str, Given] = {f"n{n}": {} for n in range(1_000)}
    flow = await submitted(stores, {**side, "last": {"after": list(side)}})
    runs = list((await claimed(stores, flow)).values())
    assert len(runs) == 1_000
    random.shuffle(runs)
    batches = [
        [Settlement(TENANT, one.id, one.lease, DONE, None) for one in runs[n : n + 50]] for n in range(0, 1_000, 50)
    ]
    # The lane is one connection: the second writer has stores of its own.
    async with Stores(stores.settings, pool_size=3, overflow=0, application="another") as other:
        await asyncio.gather(_all(stores, batches[::2]), _all(other, batches[1::2]))
    assert (await shown(stores, flow)).workflow.completed == 1_000
    assert (await states(stores, flow))["last"] == "PENDING"
    await run(stores, flow)
    assert await status_of(stores, flow) is Status.COMPLETED


def _batches(runs: list[ClaimedTask], size: int) -> list[list[Settlement]]:
    made = [Settlement(TENANT, one.id, one.lease, DONE, None) for one in runs]
    return [made[n : n + size] for n in range(0, len(made), size)]


async def _all(stores: Stores, batches: list[list[Settlement]]) -> None:
    for batch in batches:
        assert None not in await settle(stores, batch)


async def test_many_workflows_that_end_side_by_side_wait_in_no_circle(stores: Stores) -> None:
    flows = [await submitted(stores, {f"n{n}": {} for n in range(20)}) for _ in range(6)]
    runs = await claim_next(stores, await registered(stores), 1_000)
    random.shuffle(runs)
    batches = _batches(runs, 6)
    async with Stores(stores.settings, pool_size=3, overflow=0, application="another") as other:
        await asyncio.gather(_all(stores, batches[::2]), _all(other, batches[1::2]))
    assert {await status_of(stores, flow) for flow in flows} == {Status.COMPLETED}


async def test_an_end_reads_no_table_whole(stores: Stores) -> None:
    flow = await submitted(stores, CHAIN)
    [one] = (await claimed(stores, flow)).values()
    end = "UPDATE tasks SET status = 'COMPLETED', lease = NULL, finished_at = now() WHERE id = :id"
    read = "SELECT relname, seq_scan FROM pg_stat_xact_user_tables WHERE seq_scan > 0"
    async with stores.db.transaction() as session:
        await session.execute(text(end), {"id": one.id})
        scanned = {row.relname: row.seq_scan for row in await session.execute(text(read))}
    assert scanned in ({}, {"tasks": 1}), "of so small a table the statement itself may read all"
    assert (await states(stores, flow))["b"] == "PENDING"


async def test_cancelling_ends_what_waits_and_asks_what_runs(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}, "b": {"after": ["a"]}, "c": {}})
    [running] = await claim_hinted(stores, await registered(stores), [await task_of(stores, flow, "a")])
    after = await workflows.cancel(stores, TENANT, flow)
    assert (after.workflow.status, after.workflow.cancel_requested) == (Status.PROCESSING, True)
    assert await states(stores, flow) == {"a": "PROCESSING", "b": "CANCELLED", "c": "CANCELLED"}
    assert (await get_task(stores, TENANT, running.id)).cancel_requested
    again = await workflows.cancel(stores, TENANT, flow)
    assert again.workflow.cancelled == 2, "a repeat changes nothing"
    await ended(stores, running, DONE)
    found = (await shown(stores, flow)).workflow
    assert (found.status, found.completed, found.cancelled) == (Status.CANCELLED, 1, 2)
    with pytest.raises(Conflict):
        await workflows.cancel(stores, TENANT, flow)


async def test_a_cancel_is_told_to_the_feed_for_each_task_that_it_ended(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = await submitted(stores, {"a": {}, "b": {"after": ["a"]}, "c": {}, "d": {}})
    await claim_hinted(stores, await registered(stores), [await task_of(stores, flow, "a")])
    told: list[Happening] = []
    monkeypatch.setattr(stores.feed, "tell", told.extend)
    await workflows.cancel(stores, TENANT, flow)
    ended = [(Name.CANCELLED, await task_of(stores, flow, name)) for name in "cd"]
    assert sorted((one.name, one.id) for one in told) == sorted(ended)


async def test_a_cancel_of_what_does_not_run_is_final_at_once(stores: Stores) -> None:
    flow = await submitted(stores, {f"n{n}": {} for n in range(600)} | {"last": {"after": ["n0"]}}, callback_url=URL)
    found = (await workflows.cancel(stores, TENANT, flow)).workflow
    assert (found.status, found.cancelled) == (Status.CANCELLED, 601)
    [told] = await claim_delivery(stores, most=5)
    assert (told.type, told.subject.id) == ("workflow.cancelled", flow)


async def test_who_cancels_and_dies_in_between_is_followed_by_another(stores: Stores) -> None:
    await scenes.who_cancels_dies_in_between(stores)


async def test_an_end_that_meets_a_cancel_releases_nothing(stores: Stores) -> None:
    await scenes.a_cancel_meets_an_end(stores)


async def test_a_retry_does_the_failed_part_again_and_keeps_the_rest(stores: Stores) -> None:
    nodes: dict[str, Given] = {
        "a": {},
        "b": {"input": {"x": {"$from": "a"}}},
        "c": {"after": ["b"]},
        "d": {"after": ["b"], "on_failure": "continue"},
    }
    flow = await submitted(stores, nodes, callback_url=URL)
    await run(stores, flow, b=BROKEN)
    before = {name: await task_of(stores, flow, name) for name in "abd"}
    assert await states(stores, flow) == {"a": "COMPLETED", "b": "FAILED", "c": "CANCELLED", "d": "COMPLETED"}
    again = await workflows.retry(stores, TENANT, flow)
    assert (again.workflow.status, again.workflow.generation) == (Status.PROCESSING, 2)
    assert await states(stores, flow) == {"a": "COMPLETED", "b": "PENDING", "c": "WAITING", "d": "COMPLETED"}
    assert (await task(stores, flow, "b")).input == {"x": {"n": 1}}
    await run(stores, flow)
    found = (await shown(stores, flow)).workflow
    assert (found.status, found.completed) == (Status.COMPLETED, 4)
    after = {name: await task_of(stores, flow, name) for name in "abd"}
    assert (before["a"], before["d"]) == (after["a"], after["d"])
    assert before["b"] != after["b"]
    assert (await get_task(stores, TENANT, before["b"])).status is Status.FAILED, "the task of before stays as it ended"
    assert sorted(one.type for one in await claim_delivery(stores, most=5)) == ["workflow.completed", "workflow.failed"]
    with pytest.raises(Conflict):
        await workflows.retry(stores, TENANT, flow)


async def test_a_retry_of_nodes_that_go_on_after_failures_waits_for_their_predecessors(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}, "b": {"after": ["a"], "on_failure": "continue"}})
    await run(stores, flow, a=BROKEN, b=BROKEN)
    await workflows.retry(stores, TENANT, flow)
    assert await states(stores, flow) == {"a": "PENDING", "b": "WAITING"}
    await run(stores, flow)
    assert await status_of(stores, flow) is Status.COMPLETED


async def test_a_cancelled_workflow_can_be_retried(stores: Stores) -> None:
    flow = await submitted(stores, CHAIN)
    await workflows.cancel(stores, TENANT, flow)
    await workflows.retry(stores, TENANT, flow)
    await workflows.finish_cancels(stores)
    await run(stores, flow)
    assert await status_of(stores, flow) is Status.COMPLETED


async def test_a_workflow_that_has_not_ended_is_not_retried(stores: Stores) -> None:
    await scenes.one_that_runs_is_retried(stores)


async def test_a_node_that_a_person_retries_runs_again_and_what_was_cancelled_stays(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}, "b": {"after": ["a"]}}, callback_url=URL)
    await run(stores, flow, a=BROKEN)
    await retry(stores, TENANT, await task_of(stores, flow, "a"))
    found = (await shown(stores, flow)).workflow
    assert (found.status, found.failed, found.cancelled, found.generation) == (Status.PROCESSING, 0, 1, 2)
    await run(stores, flow)
    assert await states(stores, flow) == {"a": "COMPLETED", "b": "CANCELLED"}
    assert await status_of(stores, flow) is Status.CANCELLED
    assert len(await claim_delivery(stores, most=5)) == 2
    kept = await task_of(stores, flow, "a")
    await workflows.retry(stores, TENANT, flow)
    await run(stores, flow)
    assert (await status_of(stores, flow), await task_of(stores, flow, "a")) == (Status.COMPLETED, kept)


async def test_a_task_that_a_retry_has_replaced_changes_nothing_more(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}})
    await run(stores, flow, a=BROKEN)
    old = await task_of(stores, flow, "a")
    await workflows.retry(stores, TENANT, flow)
    await run(stores, flow)
    await retry(stores, TENANT, old)
    [again] = await claim_next(stores, await registered(stores), 10)
    await ended(stores, again, BROKEN)
    assert await status_of(stores, flow) is Status.COMPLETED


async def test_a_webhook_shows_the_workflow_as_it_ended(stores: Stores) -> None:
    flow = await submitted(stores, {"a": {}, "b": {}}, callback_url=URL)
    await run(stores, flow, b=BROKEN)
    then = (await shown(stores, flow)).workflow
    await workflows.retry(stores, TENANT, flow)
    [told] = await claim_delivery(stores, most=5)
    assert isinstance(told.subject, Workflow)
    assert workflow_view(told.subject) == workflow_view(then)
    sent = json.loads(event(told.type, told.subject))
    assert (sent["type"], sent["data"]["status"], sent["data"]["progress"]["failed"]) == (
        "workflow.failed",
        "FAILED",
        1,
    )


async def test_another_tenants_workflow_is_not_there(stores: Stores) -> None:
    flow = await submitted(stores, CHAIN)
    for verb in (workflows.get, workflows.cancel, workflows.retry):
        with pytest.raises(NotFound):
            await verb(stores, TENANT + 1, flow)
    assert await workflows.page(stores, TENANT + 1, limit=10) == []
    assert await states(stores, flow) == {"a": "PENDING", "b": "WAITING", "c": "WAITING"}


async def test_pages_are_newest_first(stores: Stores) -> None:
    flows = [await submitted(stores, {"a": {}}) for _ in range(3)]
    found = await workflows.page(stores, TENANT, limit=2)
    assert [one.id for one in found] == [flows[2], flows[1]]
    assert [one.id for one in await workflows.page(stores, TENANT, limit=2, before=flows[1])] == [flows[0]]


async def test_an_old_workflow_leaves_after_its_tasks(stores: Stores) -> None:
    old = await submitted(stores, CHAIN, callback_url=URL, id=id_of(OLD))
    await run(stores, old)
    young = await submitted(stores, CHAIN)
    await run(stores, young)
    await aged(stores, old)
    removed = await Cleanup().run(stores)
    assert removed is not None
    assert (removed.tasks, removed.workflows) == (3, 1)
    with pytest.raises(NotFound):
        await shown(stores, old)
    assert await value(stores, "SELECT count(*) FROM workflow_nodes") == 3
    assert await value(stores, "SELECT count(*) FROM webhook_deliveries") == 0
    assert await status_of(stores, young) is Status.COMPLETED


async def test_a_workflow_that_has_not_ended_keeps_its_results(stores: Stores) -> None:
    await scenes.a_cleanup_meets_a_long_workflow(stores)
