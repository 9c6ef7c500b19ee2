"""The pump over the real stores: by hint, by poll, never more than there are slots, and quick to stop."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from sqlalchemy import text

import worker.engine.pump
from shared.broker.wake import Waker
from shared.domain.errors import StoreUnavailable
from shared.domain.task import ClaimedTask, NewTask, Task
from shared.domain.verdict import completed
from shared.embedded.ports import free_port
from shared.queue.claim import Claimant, claim_next
from shared.queue.settle import Settlement, settle
from shared.queue.stores import Stores
from shared.queue.submit import store, submit
from shared.settings import Settings
from tests.integration.worker.conftest import TENANT, eventually
from tests.support.stores import blocked_clients
from worker.engine.pump import Pump
from worker.engine.slots import Slots

NEVER = 1_000.0


@dataclass
class Rig:
    """A pump whose handlers only note that they were started; ``finish`` ends one."""

    slots: Slots
    started: list[ClaimedTask]
    finish_after: float | None = None
    """Seconds until a started task gives its slot back; None: never by itself."""
    pump: Pump = field(init=False)
    running: asyncio.Task[None] | None = None

    def claiming(self) -> AbstractContextManager[UUID]:
        return nullcontext(uuid4())

    def start(self, task: ClaimedTask) -> None:
        self.started.append(task)
        if self.finish_after is not None:
            asyncio.get_running_loop().call_later(self.finish_after, self.slots.give_back)

    async def has_started(self, *tasks: Task, timeout: float = 10.0) -> None:
        async def all_started() -> bool:
            return {t.id for t in tasks} <= {t.id for t in self.started}

        await eventually(all_started, timeout)


MakeRig = Callable[..., Rig]


@pytest_asyncio.fixture
async def rig(stores: Stores, claimant: Claimant, settings: Settings) -> AsyncIterator[MakeRig]:
    """Make a rig; its pump runs until the test ends unless it is told otherwise."""
    opened: list[tuple[Rig, Waker, asyncio.Task[None] | None]] = []

    def make(slots: int = 5, *, runs: bool = True, over: Stores = stores, finish_after: float | None = None) -> Rig:
        waker = Waker(over.broker, over.settings.redis_url.get_secret_value(), claimant.queues)
        made = Rig(Slots(slots), [], finish_after)
        made.pump = Pump(over, claimant, made.slots, waker, made)
        running = asyncio.create_task(made.pump.run()) if runs else None
        made.running = running
        opened.append((made, waker, running))
        return made

    yield make
    for made, waker, running in opened:
        made.pump.stop()
        if running is not None:
            async with asyncio.timeout(5):
                await running
        await waker.close()


@pytest.fixture
def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first poll there is no other: what starts then, a hint started."""
    monkeypatch.setattr(worker.engine.pump, "POLL_SECONDS", NEVER)


Planned = Callable[..., NewTask]


async def submitted(stores: Stores, planned: Planned, **given: Any) -> Task:
    return (await submit(stores, TENANT, [planned(**given)]))[0]


async def unhinted(stores: Stores, tasks: list[NewTask]) -> list[Task]:
    """Stored, and told to nobody."""
    async with stores.db.autocommit() as session:
        return await store(session, TENANT, tasks)


async def asleep(stores: Stores) -> None:
    """Until a pump blocks on its wake lists."""

    async def blocked() -> bool:
        return bool(await blocked_clients(stores.broker.queue))

    await eventually(blocked)


@pytest.mark.usefixtures("no_poll")
async def test_a_hint_starts_its_task_while_the_pump_sleeps(stores: Stores, planned: Planned, rig: MakeRig) -> None:
    pumping = rig()
    await asleep(stores)
    task = await submitted(stores, planned)
    await pumping.has_started(task, timeout=5)
    assert pumping.started[0].attempt == 1


@pytest.mark.usefixtures("no_poll")
async def test_a_deferred_task_starts_when_it_is_due_and_not_before(
    stores: Stores, planned: Planned, rig: MakeRig
) -> None:
    pumping = rig()
    await asleep(stores)
    task = await submitted(stores, planned, delay=0.4)
    await pumping.has_started(task, timeout=5)
    assert pumping.started[0].started_at >= task.run_at


async def test_a_task_whose_hint_was_lost_is_found_by_the_poll(
    stores: Stores, planned: Planned, rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.engine.pump, "POLL_SECONDS", 0.2)
    pumping = rig()
    await asleep(stores)
    [task] = await unhinted(stores, [planned()])
    await pumping.has_started(task, timeout=5)


async def test_a_backlog_nobody_hinted_starts_whole(stores: Stores, planned: Planned, rig: MakeRig) -> None:
    tasks = await unhinted(stores, [planned() for _ in range(30)])
    pumping = rig(slots=100)
    await pumping.has_started(*tasks)


async def test_no_task_is_started_twice(stores: Stores, planned: Planned, rig: MakeRig) -> None:
    pumps = [rig(slots=100) for _ in range(3)]
    tasks = await submit(stores, TENANT, [planned() for _ in range(90)])
    started: list[Any] = []

    async def all_started() -> bool:
        started[:] = [task.id for pumping in pumps for task in pumping.started]
        return len(started) >= len(tasks)

    await eventually(all_started)
    assert sorted(started) == sorted(task.id for task in tasks)


@pytest.mark.parametrize("is_hinted", [True, False], ids=["by hint", "by poll"])
async def test_a_pump_claims_no_more_than_it_has_slots(
    stores: Stores, planned: Planned, claimant: Claimant, rig: MakeRig, is_hinted: bool
) -> None:
    tasks = [planned() for _ in range(7)]
    await (submit(stores, TENANT, tasks) if is_hinted else unhinted(stores, tasks))
    pumping = rig(slots=3)

    async def three() -> bool:
        return len(pumping.started) == 3

    await eventually(three)
    assert len(await claim_next(stores, claimant, 10)) == 4, "the rest is left for others"
    assert len(pumping.started) == 3


async def test_a_slot_given_back_is_filled_again(stores: Stores, planned: Planned, rig: MakeRig) -> None:
    tasks = await submit(stores, TENANT, [planned() for _ in range(6)])
    pumping = rig(slots=1)
    for count in range(1, 7):

        async def next_one(count: int = count) -> bool:
            return len(pumping.started) == count

        await eventually(next_one)
        pumping.slots.give_back()
    assert {task.id for task in pumping.started} == {task.id for task in tasks}


async def test_urgent_work_goes_first(stores: Stores, planned: Planned, rig: MakeRig) -> None:
    for queue, priority in (("demo_tasks", 0), ("ai_processing", 9), ("urgent", 9), ("urgent", 1)):
        await submitted(stores, planned, queue=queue, priority=priority)
    pumping = rig(slots=1)
    for count in range(1, 5):

        async def next_one(count: int = count) -> bool:
            return len(pumping.started) == count

        await eventually(next_one)
        pumping.slots.give_back()
    order = [(task.queue, task.priority) for task in pumping.started]
    assert order == [("urgent", 1), ("urgent", 9), ("ai_processing", 9), ("demo_tasks", 0)]


async def test_an_unhinted_task_is_not_starved_by_hinted_ones(
    stores: Stores, planned: Planned, rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.engine.pump, "POLL_SECONDS", 0.2)
    [forgotten] = await unhinted(stores, [planned()])
    await submit(stores, TENANT, [planned() for _ in range(50)])
    pumping = rig(slots=1, runs=False, finish_after=0.005)

    async def feed() -> None:
        while True:
            await submit(stores, TENANT, [planned() for _ in range(10)])
            await asyncio.sleep(0.02)

    # The poll that every start begins with has been: hints flow from here on.
    pumping.pump._next_poll = time.monotonic() + 0.2
    feeding, running = asyncio.create_task(feed()), asyncio.create_task(pumping.pump.run())
    try:
        await pumping.has_started(forgotten, timeout=8)
    finally:
        feeding.cancel()
        pumping.pump.stop()
        await asyncio.gather(feeding, running, return_exceptions=True)


@pytest.mark.usefixtures("no_poll")
@pytest.mark.parametrize("slots", [0, 1], ids=["all slots taken", "asleep"])
async def test_a_stop_is_heeded_at_once(rig: MakeRig, slots: int) -> None:
    pumping = rig(slots=1, runs=False)
    if not slots:
        pumping.slots.take()
    running = asyncio.create_task(pumping.pump.run())
    await asyncio.sleep(0.1)
    assert not running.done()
    pumping.pump.stop()
    async with asyncio.timeout(1):
        await running


async def test_nothing_is_claimed_after_the_stop(stores: Stores, planned: Planned, rig: MakeRig) -> None:
    pumping = rig(runs=False)
    await submitted(stores, planned)
    pumping.pump.stop()
    async with asyncio.timeout(1):
        await pumping.pump.run()
    assert pumping.started == []


async def test_burst_ends_when_nothing_is_due(stores: Stores, planned: Planned, rig: MakeRig) -> None:
    due = await submit(stores, TENANT, [planned() for _ in range(5)])
    await submitted(stores, planned, delay=3600.0)
    pumping = rig(runs=False, finish_after=0.0)
    async with asyncio.timeout(10):
        await pumping.pump.run(burst=True)
    assert {task.id for task in pumping.started} == {task.id for task in due}


async def test_a_claim_that_finds_no_database_is_tried_again(
    stores: Stores, planned: Planned, rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker.engine.pump, "OUTAGE_PAUSE_SECONDS", 0.05)
    tried = 0

    async def away_twice(stores: Stores, who: Claimant, most: int, **given: Any) -> list[ClaimedTask]:
        nonlocal tried
        tried += 1
        if tried <= 2:
            raise StoreUnavailable
        return await claim_next(stores, who, most, **given)

    monkeypatch.setattr(worker.engine.pump, "claim_next", away_twice)
    [task] = await unhinted(stores, [planned()])
    pumping = rig()
    await pumping.has_started(task)
    assert tried >= 3


async def test_without_redis_tasks_still_start(
    stores: Stores, planned: Planned, rig: MakeRig, settings: Settings
) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    away = settings.model_copy(update={"redis_url": type(settings.redis_url)(nowhere)})
    async with Stores(away, pool_size=2, overflow=0, application="tests") as cut_off:
        pumping = rig(over=cut_off)
        first = await submitted(stores, planned)
        await pumping.has_started(first)
        second = await submitted(stores, planned)
        await pumping.has_started(second)
        pumping.pump.stop()
        assert pumping.running is not None
        async with asyncio.timeout(5):
            await pumping.running  # before its stores are closed


@pytest.mark.usefixtures("no_poll")
async def test_a_task_with_a_limit_starts_by_its_hint_and_the_next_as_soon_as_it_ends(
    stores: Stores, planned: Planned, rig: MakeRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.queue.limits.LATEST_SECONDS", NEVER)
    pumping = rig()
    await asleep(stores)
    tasks = [await submitted(stores, planned, limits="key:a") for _ in range(3)]
    plain = await submitted(stores, planned)
    await pumping.has_started(plain, timeout=5)
    for task in tasks:
        await pumping.has_started(task, timeout=5)
        [run] = [run for run in pumping.started if run.id == task.id]
        assert len(pumping.started) == 2 + tasks.index(task), "one at a time"
        await settle(stores, [Settlement(TENANT, run.id, run.lease, completed("1"), None)])


async def test_neither_tasks_with_limits_nor_those_without_starve_the_others(
    stores: Stores, planned: Planned, rig: MakeRig
) -> None:
    plain = await unhinted(stores, [planned() for _ in range(40)])
    limited = await unhinted(stores, [planned(limits=f"key:{n}") for n in range(40)])
    pumping = rig(slots=2, finish_after=0.001)
    await pumping.has_started(plain[9], limited[9])
    # One hand counts and claims those with limits, which takes it longer, while the other claims plain ones.
    first = Counter(bool(run.limits) for run in pumping.started[:40])
    assert min(first[True], first[False]) >= 2


async def test_a_small_tenants_tasks_start_soon_though_anothers_hints_stand_before_theirs(
    stores: Stores, planned: Planned, rig: MakeRig
) -> None:
    async with stores.db.autocommit() as session:
        await session.execute(text("INSERT INTO tenants (id, name) VALUES (2, 'other') ON CONFLICT DO NOTHING"))
    await submit(stores, TENANT, [planned() for _ in range(300)])
    small = await submit(stores, 2, [planned() for _ in range(10)])
    pumping = rig(slots=1, finish_after=0.0)
    await pumping.has_started(*small)
    assert max(place for place, run in enumerate(pumping.started) if run.tenant_id == 2) < 30
