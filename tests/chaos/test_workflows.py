"""Workflows while things die: whatever happens at an await, and whoever is killed, each node ends, and so the whole."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from uuid import UUID

import pytest

from service.client import chain, group, result_of, step
from shared.domain.errors import Conflict, NotFound, StoreUnavailable
from shared.domain.states import Status
from shared.domain.task import ClaimedTask
from shared.queue import workflows
from shared.queue.liveness import rescue
from shared.queue.stores import Stores
from tests.chaos.conftest import Stage
from tests.support.checker import violations
from tests.support.evidence import gathered
from tests.support.failpoints import Died, Failpoints, Harm, harmed
from tests.support.faults import Keeper, connected, until_all_ended
from tests.support.scenes.making import die, ended, execute
from tests.support.scenes.workflows import BROKEN, DONE, UNSOUND, claimed, planned, run, shown, submitted, unsound
from tests.support.verbs import TENANT

NODES = {"a": {}, "b": {"after": ["a"]}, "c": {"after": ["a"]}, "d": {"after": ["b", "c"]}}
Verb = Callable[[Stores, UUID, dict[str, ClaimedTask]], Awaitable[object]]


async def submitting(stores: Stores, flow: UUID, _: dict[str, ClaimedTask]) -> None:
    await workflows.submit(stores, TENANT, planned(NODES, id=flow))


async def settling(stores: Stores, _: UUID, runs: dict[str, ClaimedTask]) -> None:
    await ended(stores, runs["a"], DONE)


async def settling_badly(stores: Stores, _: UUID, runs: dict[str, ClaimedTask]) -> None:
    await ended(stores, runs["a"], BROKEN)


async def cancelling(stores: Stores, flow: UUID, _: dict[str, ClaimedTask]) -> None:
    with suppress(Conflict):
        await workflows.cancel(stores, TENANT, flow)


async def retrying(stores: Stores, flow: UUID, _: dict[str, ClaimedTask]) -> None:
    with suppress(Conflict):
        await workflows.retry(stores, TENANT, flow)


VERBS: dict[str, tuple[Verb, set[Status], int]] = {
    "submit": (submitting, {Status.COMPLETED}, 6),
    "settle": (settling, {Status.COMPLETED}, 3),
    "settle a failure": (settling_badly, {Status.FAILED}, 3),
    "cancel": (cancelling, {Status.CANCELLED}, 5),
    "retry": (retrying, {Status.COMPLETED}, 6),
}


@pytest.mark.parametrize("harm", Harm, ids=lambda harm: harm.name.lower())
@pytest.mark.parametrize("name", VERBS)
async def test_whatever_happens_at_an_await_the_workflow_ends_once(stores: Stores, name: str, harm: Harm) -> None:
    struck = 0
    while await _told(name, Failpoints(harm, struck), stores):
        struck += 1
    assert struck >= VERBS[name][2]


async def _told(name: str, points: Failpoints, stores: Stores) -> bool:
    """The story, with harm at one await, and the verb again for who got no answer. False: no such await any more."""
    for emptying in ("DELETE FROM tasks", "DELETE FROM workflows", "DELETE FROM workers"):
        await execute(stores, emptying)
    verb, statuses, _ = VERBS[name]
    flow = planned(NODES).id
    runs: dict[str, ClaimedTask] = {}
    if verb is not submitting:
        await submitted(stores, NODES, id=flow)
        runs = await claimed(stores, flow)
    if verb is retrying:
        await ended(stores, runs["a"], BROKEN)
    [said] = await asyncio.gather(
        asyncio.ensure_future(verb(harmed(stores, points), flow, runs)), return_exceptions=True
    )
    assert points.has_struck or said is None, said
    assert said is None or isinstance(said, (Died, asyncio.CancelledError, StoreUnavailable)), said
    assert await unsound(stores) == [], points.passed
    await _recovered(verb, said, stores, flow, runs)
    assert await unsound(stores) == [], points.passed
    found = await shown(stores, flow)
    assert found.workflow.status in statuses, (points.passed, found)
    return points.has_struck


async def _recovered(
    verb: Verb, said: BaseException | None, stores: Stores, flow: UUID, runs: dict[str, ClaimedTask]
) -> None:
    """The caller repeats what got no answer; the dead one's runs are taken back; then all runs to its end."""
    if said is not None and verb is submitting:
        with suppress(NotFound):
            await shown(stores, flow)
            return await run(stores, flow)
    if said is not None:
        await verb(stores, flow, runs)
    await workflows.finish_cancels(stores)
    if verb is cancelling:
        await ended(stores, runs["a"], DONE)
    await die(stores)
    await rescue(stores)
    await run(stores, flow)
    return None


@pytest.mark.chaos
async def test_workflows_whose_workers_and_apis_are_killed_end_each_node_once(stage: Stage) -> None:
    """Layers that wait for each other whole, chains beside them, and a failure that is gone round."""
    effect = {"ledger": str(stage.ledger), "seconds": 0.4}
    layers = [group(*(step("effect", effect, name=f"l{n}-{m}") for m in range(5))) for n in range(5)]
    passing = step("effect", {**effect, "key": result_of("l4-0", "/text")}, name="passing")
    whole = chain(*layers, group(passing, chain(step("fatal", {}), step("effect", effect, on_failure="continue"))))
    async with stage.running(workers=3) as [api, *workers]:
        async with stage.service.client() as client:
            flows = [(await client.submit_workflow(whole, idempotency_key=f"k{n}")).id for n in range(3)]
        async with asyncio.TaskGroup() as faults:
            for victim in (api, *workers[:2]):
                faults.create_task(_killed_again_and_again(victim))
        await until_all_ended(stage.database_url, 90)
        async with stage.service.client() as client:
            for flow in flows:
                found = await client.wait_workflow(flow, timeout=60)
                statuses = {name: node.status for name, node in found.nodes.items()}
                assert statuses.pop("fatal") == "FAILED"
                assert set(statuses.values()) == {"COMPLETED"}
                again = await client.submit_workflow(whole, idempotency_key=f"k{flows.index(flow)}")
                assert again.id == flow
        async with connected(stage.database_url) as connection:
            assert await connection.fetch(UNSOUND) == []
            assert await connection.fetchval("SELECT count(*) FROM tasks") == 3 * 28
        assert violations(await gathered(stage.database_url, stage.ledger, [])) == []


async def _killed_again_and_again(victim: Keeper) -> None:
    for _ in range(2):
        await asyncio.sleep(random.uniform(0.5, 3))  # noqa: S311 - no secret
        before = victim.child
        before.send(signal.SIGKILL)
        await victim.replaced(before)
