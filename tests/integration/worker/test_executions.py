"""The runs of a worker together: slots, cancels by id, and the drain."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

import worker.executor
from shared.domain.states import Status
from shared.domain.task import Task
from shared.queue.cancel import cancel
from shared.queue.lookup import get_task
from shared.queue.settle import Settlement, settle
from shared.queue.stores import Stores
from tests.integration.worker.conftest import TENANT, Bench, eventually
from tests.integration.worker.handlers import Stage
from worker.engine.slots import Slots
from worker.executions import Executions


async def started(bench: Bench, type_: str, slots: Slots, way: str = "") -> tuple[Executions, Task]:
    executions = Executions(bench.handlers, slots)
    task = await bench.submitted(type_, way)
    claimed = await bench.claimed(task)
    slots.take()
    executions.start(claimed)
    return executions, task


def lease_of(executions: Executions) -> UUID:
    [(_, lease)] = executions._unsettled
    return lease


async def status(bench: Bench, task: Task) -> Status:
    return (await get_task(bench.stores, TENANT, task.id)).status


async def test_a_slot_is_free_as_soon_as_its_handler_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    may_settle = asyncio.Event()

    async def slow_settle(stores: Stores, tenant: int, settlement: Settlement) -> Task | None:
        await may_settle.wait()
        return await settle(stores, tenant, settlement)

    monkeypatch.setattr(worker.executor, "settle", slow_settle)
    slots = Slots(1)
    executions, task = await started(bench, "returns", slots, "good")
    async with asyncio.timeout(5):
        assert await slots.wait_free() == 1
    assert await status(bench, task) is Status.PROCESSING
    assert executions.running == 0
    assert executions.knows(task.id, lease_of(executions)), "until it is settled: an audit must not give it back"
    may_settle.set()
    await executions.drain(5, asyncio.Event())
    assert await status(bench, task) is Status.COMPLETED, "a drain waits for settles, too"


async def test_a_cancel_reaches_the_run(bench: Bench, stage: Stage) -> None:
    executions, task = await started(bench, "waits", Slots(1))
    await stage.entered.wait()
    await cancel(bench.stores, TENANT, task.id)
    executions.cancel(task.id)

    async def cancelled() -> bool:
        return await status(bench, task) is Status.CANCELLED

    await eventually(cancelled)


async def test_abandoned_runs_end_at_once_and_settle_nothing(bench: Bench, stage: Stage) -> None:
    executions, task = await started(bench, "waits", Slots(1))
    await stage.entered.wait()
    lease = lease_of(executions)
    async with asyncio.timeout(5):
        await executions.abandon()
    assert await status(bench, task) is Status.PROCESSING, "the death watch, not the dead, gives it back"
    assert not executions.knows(task.id, lease)


async def test_a_cancel_for_somebody_elses_task_disturbs_nothing(bench: Bench, stage: Stage) -> None:
    slots = Slots(1)
    executions, task = await started(bench, "waits", slots)
    await stage.entered.wait()
    executions.cancel((await bench.submitted("waits")).id)
    stage.release.set()
    await executions.drain(5, asyncio.Event())
    assert await status(bench, task) is Status.COMPLETED
    assert slots.all_free


async def test_a_drain_lets_runs_end_within_the_grace(bench: Bench, stage: Stage) -> None:
    executions, task = await started(bench, "waits", Slots(1))
    await stage.entered.wait()
    asyncio.get_running_loop().call_later(0.1, stage.release.set)
    await executions.drain(10, asyncio.Event())
    assert await status(bench, task) is Status.COMPLETED


async def test_a_drain_gives_back_what_runs_past_the_grace(bench: Bench, stage: Stage) -> None:
    executions, task = await started(bench, "waits", Slots(1))
    await stage.entered.wait()
    await executions.drain(0.1, asyncio.Event())
    assert await status(bench, task) is Status.RETRYING
    assert stage.cancels == 1


async def test_a_second_signal_ends_the_grace(bench: Bench, stage: Stage) -> None:
    executions, task = await started(bench, "waits", Slots(1))
    await stage.entered.wait()
    release_now = asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, release_now.set)
    async with asyncio.timeout(5):
        await executions.drain(60, release_now)
    assert await status(bench, task) is Status.RETRYING


async def test_a_drain_with_nothing_to_do_is_over_at_once(bench: Bench) -> None:
    async with asyncio.timeout(1):
        await Executions(bench.handlers, Slots(1)).drain(60, asyncio.Event())
