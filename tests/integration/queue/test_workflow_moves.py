"""What people and time do to a workflow: cancel, retry, list, and the removal of old ones."""

from __future__ import annotations

import json

import pytest

from shared.domain.errors import Conflict, NotFound
from shared.domain.happenings import Happening, Name
from shared.domain.states import Status
from shared.domain.views import workflow_view
from shared.domain.webhooks import event
from shared.domain.workflow import Workflow
from shared.queue import workflows
from shared.queue.claim import claim_hinted, claim_next
from shared.queue.lookup import get_task
from shared.queue.retention import Cleanup
from shared.queue.retry import retry
from shared.queue.stores import Stores
from shared.queue.webhooks import claim as claim_delivery
from tests.support.aged import OLD, id_of
from tests.support.flows import CHAIN, URL, status_of, task, value
from tests.support.scenes import workflows as scenes
from tests.support.scenes.making import ended
from tests.support.scenes.workflows import BROKEN, DONE, Given, aged, run, shown, states, submitted, task_of
from tests.support.stores import registered
from tests.support.verbs import TENANT


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
