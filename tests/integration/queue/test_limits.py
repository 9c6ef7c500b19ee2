"""Limits over the real stores: claims that race never exceed one, and nothing that ends keeps its place."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from shared.db.statements import limits as statements
from shared.domain.limits import Limits
from shared.domain.rates import Rate
from shared.domain.task import ClaimedTask, NewTask, Task
from shared.domain.verdict import completed
from shared.queue.cancel import cancel
from shared.queue.claim import Claimant, claim_hinted, claim_next
from shared.queue.limits import LimitedClaims, limits_in_force, prune_rates
from shared.queue.liveness import rescue
from shared.queue.planning import Request, plan
from shared.queue.queues import get_queue, pause, purge, resume
from shared.queue.settle import Settlement, settle
from shared.queue.stores import Stores
from shared.queue.submit import store
from shared.registry import Registry
from shared.settings import Settings
from shared.tasks import Run, TaskModel
from shared.tasks import task as task_type
from tests.support.scenes.making import die, execute
from tests.support.stores import QUEUES, registered

TENANT, OTHER = 1, 2
TYPE = "type:simple_calculation"
Planned = Callable[..., NewTask]


async def waiting(stores: Stores, planned: Planned, count: int, *, tenant: int = TENANT, **given: Any) -> list[Task]:
    """Stored, and told to nobody."""
    async with stores.db.autocommit() as session:
        return await store(session, tenant, [planned(**{"limits": TYPE, **given}) for _ in range(count)])


async def end(stores: Stores, *runs: ClaimedTask) -> None:
    await settle(stores, [Settlement(run.tenant_id, run.id, run.lease, completed("1"), None) for run in runs])


async def claimed(claims: LimitedClaims, most: int) -> list[ClaimedTask]:
    """A claim that another one turned away comes again, as the pump makes it."""
    async with asyncio.timeout(10):
        while not (found := await claims.claim(most)) and claims.seconds < 0.1:  # noqa: ASYNC110 - as a pump does
            await asyncio.sleep(claims.seconds)
    return found


@pytest.fixture
async def other_tenant(stores: Stores) -> int:
    await execute(stores, "INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING")
    return OTHER


class Nothing(TaskModel):
    pass


@task_type(type="limited", concurrency=2, rate="5/s")
async def limited_type(run: Run, given: Nothing) -> Nothing:
    return given


@task_type(type="free", queue="urgent")
async def free_type(run: Run, given: Nothing) -> Nothing:
    return given


def test_a_task_is_marked_with_the_limits_of_its_type_its_queue_and_its_key(settings: Settings) -> None:
    registry = Registry([limited_type, free_type])
    told = settings.model_copy(update={"queue_concurrency": {"urgent": 3}, "key_concurrency": 4})
    marks = [
        plan(registry, told, Request(type_, {}, queue=queue, concurrency_key=key)).limits
        for type_, queue, key in (("free", "demo_tasks", None), ("limited", "urgent", "a"), ("free", None, None))
    ]
    assert marks == ["", "type:limited\nqueue:urgent\nkey:a", "queue:urgent"]
    assert limits_in_force(registry, told) == Limits(
        {"type:limited": 2, "queue:urgent": 3}, {"type:limited": Rate(5, 1.0)}, 4
    )


async def test_no_other_claim_takes_a_task_with_limits(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    [task] = await waiting(stores, planned, 1)
    assert await claim_next(stores, claimant, 10) == []
    assert await claim_hinted(stores, claimant, [task.id]) == []
    [run] = await LimitedClaims(stores, claimant, Limits({TYPE: 1})).claim(10)
    assert (run.id, run.limits) == (task.id, TYPE)


async def test_the_limited_claim_takes_no_other_task(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    await waiting(stores, planned, 1, limits="")
    assert await LimitedClaims(stores, claimant, Limits({TYPE: 1})).claim(10) == []


async def test_workers_that_race_never_exceed_a_limit(stores: Stores, planned: Planned) -> None:
    tasks = await waiting(stores, planned, 40)
    held: dict[Any, ClaimedTask] = {}
    most_at_once, ended = 0, 0

    async def work(claims: LimitedClaims) -> None:
        nonlocal most_at_once, ended
        while ended < len(tasks):
            runs = await claims.claim(4)
            held.update({run.id: run for run in runs})
            most_at_once = max(most_at_once, len(held))
            await asyncio.sleep(0.002 if runs else min(claims.seconds, 0.01))
            for run in runs:
                # Given up here before it is in the row: never the other way round.
                del held[run.id]
                await end(stores, run)
                ended += 1

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(work(LimitedClaims(stores, await registered(stores), Limits({TYPE: 3}))))
    assert most_at_once == 3, "the limit was reached, and never exceeded"


async def test_what_ended_was_cancelled_or_was_lost_leaves_its_place(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    claims = LimitedClaims(stores, claimant, Limits({TYPE: 2}))
    await waiting(stores, planned, 6)
    first, second = await claims.claim(10)
    assert await claims.claim(10) == []
    await end(stores, first)
    [third] = await claimed(claims, 10)
    await cancel(stores, TENANT, second.id)
    assert await claims.claim(10) == [], "one that is asked to end runs still"
    await die(stores)
    await rescue(stores)
    again = LimitedClaims(stores, await registered(stores), Limits({TYPE: 2}))
    assert len(await again.claim(10)) == 2
    assert third.id != second.id


async def test_a_key_is_limited_by_itself_and_by_tenant(
    stores: Stores, planned: Planned, claimant: Claimant, other_tenant: int
) -> None:
    for key in ("busy", "calm"):
        await waiting(stores, planned, 5, limits=f"key:{key}")
    await waiting(stores, planned, 5, limits="key:busy", tenant=other_tenant)
    runs = await LimitedClaims(stores, claimant, Limits(per_key=2)).claim(100)
    assert Counter((run.tenant_id, run.limits) for run in runs) == {
        (TENANT, "key:busy"): 2,
        (TENANT, "key:calm"): 2,
        (other_tenant, "key:busy"): 2,
    }


async def test_every_limit_of_a_task_counts(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    limits = Limits({TYPE: 3, "queue:demo_tasks": 2})
    claims = LimitedClaims(stores, claimant, limits)
    await waiting(stores, planned, 5, limits=f"{TYPE}\nqueue:demo_tasks\nkey:a")
    await waiting(stores, planned, 5, limits=f"{TYPE}\nqueue:demo_tasks\nkey:b")
    await waiting(stores, planned, 5, limits=TYPE, queue="urgent")
    runs = await claims.claim(100)
    assert Counter(run.queue for run in runs) == {"urgent": 3}, "queues come in their order, and the type is full"
    await end(stores, *runs)
    await purge(stores, TENANT, "urgent")
    assert len(await claimed(claims, 100)) == 2


async def test_only_what_is_due_served_known_and_not_paused_is_claimed(
    stores: Stores, planned: Planned, claimant: Claimant
) -> None:
    claims = LimitedClaims(stores, claimant, Limits({TYPE: 9}))
    await waiting(stores, planned, 1, delay=3_600.0)
    await waiting(stores, planned, 1, type="known_elsewhere")
    await waiting(stores, planned, 1, queue="elsewhere")
    assert await claims.claim(10) == []
    [task] = await waiting(stores, planned, 1)
    await pause(stores, TENANT, "demo_tasks")
    assert await claims.claim(10) == []
    await resume(stores, TENANT, "demo_tasks")
    assert [run.id for run in await claims.claim(10)] == [task.id]


async def test_a_dead_worker_claims_nothing(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    await waiting(stores, planned, 1)
    await die(stores)
    assert await LimitedClaims(stores, claimant, Limits({TYPE: 9})).claim(10) == []


async def test_more_lines_than_one_look_takes_all_come_to_their_turn(
    stores: Stores, planned: Planned, claimant: Claimant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.queue.limits.LINES_AT_ONCE", 4)
    tasks = [task for n in range(11) for task in await waiting(stores, planned, 1, limits=f"key:{n}")]
    claims = LimitedClaims(stores, claimant, Limits())
    found: set[Any] = set()
    for _ in range(3):
        assert claims.seconds == 0, "it looks on at once"
        found |= {run.id for run in await claims.claim(100)}
    assert found == {task.id for task in tasks}


async def test_starts_keep_to_the_rate_of_all_workers_together(stores: Stores, planned: Planned) -> None:
    limits = Limits(rates={TYPE: Rate(20, 1.0)})
    await waiting(stores, planned, 60)
    workers = [LimitedClaims(stores, await registered(stores), limits) for _ in range(2)]
    began_at, starts = time.monotonic(), 0
    while starts < 40:
        for claims in workers:
            starts += len(await claims.claim(100))
            await asyncio.sleep(min(claims.seconds, 0.02))
        assert starts <= 20 * (time.monotonic() - began_at + 1.0) + 1, "more started than the rate allows"
        assert time.monotonic() - began_at < 20, "the rate was not reached"


async def test_a_rate_says_when_to_look_again(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    claims = LimitedClaims(stores, claimant, Limits(rates={TYPE: Rate(2, 1.0)}))
    await waiting(stores, planned, 5)
    assert len(await claims.claim(100)) == 2
    assert claims.seconds <= 0.5


async def test_rates_that_nobody_uses_are_forgotten(stores: Stores) -> None:
    await execute(stores, "INSERT INTO rates VALUES ('type:old', now() - interval '2 days'), ('type:new', now())")
    await prune_rates(stores)
    async with stores.db.autocommit() as session:
        assert (await session.execute(text("SELECT name FROM rates"))).scalars().all() == ["type:new"]


async def test_counts_and_purge_of_a_queue_include_them(stores: Stores, planned: Planned, claimant: Claimant) -> None:
    await waiting(stores, planned, 3, limits="")
    await waiting(stores, planned, 2)
    await waiting(stores, planned, 2, limits="key:a", delay=60.0)
    load = (await get_queue(stores, TENANT, QUEUES, "demo_tasks")).load
    assert (load.waiting, load.delayed, load.is_cut) == (5, 2, False)
    assert (await purge(stores, TENANT, "demo_tasks")).cancelled == 7


async def test_a_small_tenants_tasks_start_within_twice_as_many_claims(
    stores: Stores, planned: Planned, claimant: Claimant, other_tenant: int
) -> None:
    """One slot, so that each claim takes one task; the other tenant has a backlog that came first."""
    await waiting(stores, planned, 300, limits="", priority=0)
    small = {task.id for task in await waiting(stores, planned, 10, limits="", tenant=other_tenant)}
    last = 0
    for _ in range(20):
        [run] = await claim_next(stores, claimant, 1, after=last)
        last = run.tenant_id
        small.discard(run.id)
    assert not small


async def test_tenants_share_one_poll(stores: Stores, planned: Planned, claimant: Claimant, other_tenant: int) -> None:
    await waiting(stores, planned, 100, limits="")
    await waiting(stores, planned, 3, limits="", tenant=other_tenant)
    first = Counter(run.tenant_id for run in await claim_next(stores, claimant, 20))
    assert first == {TENANT: 10, other_tenant: 3}
    assert len(await claim_next(stores, claimant, 20)) == 20, "one tenant alone has it all"


async def test_tenants_share_a_limit(stores: Stores, planned: Planned, claimant: Claimant, other_tenant: int) -> None:
    claims = LimitedClaims(stores, claimant, Limits({TYPE: 1}))
    await waiting(stores, planned, 50)
    small = {task.id for task in await waiting(stores, planned, 5, tenant=other_tenant)}
    for _ in range(10):
        [run] = await claimed(claims, 10)
        small.discard(run.id)
        await end(stores, run)
    assert not small


async def test_a_claim_that_is_rolled_back_uses_nothing(
    stores: Stores, planned: Planned, claimant: Claimant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await waiting(stores, planned, 1)
    claims = LimitedClaims(stores, claimant, Limits({TYPE: 1}, {TYPE: Rate(1, 3_600.0)}))
    with monkeypatch.context() as broken:
        broken.setattr(statements, "use", _fails)
        with pytest.raises(RuntimeError):
            await claims.claim(1)
    [run] = await claims.claim(1)
    assert run.attempt == 1


async def _fails(*_: object) -> None:
    raise RuntimeError("in the middle of a claim")
