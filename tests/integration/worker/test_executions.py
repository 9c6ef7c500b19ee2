"""The runs of a worker together: slots, cancels by id, and the drain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest
import structlog.testing

import worker.executions
import worker.executor
from shared.domain.cancels import CancelRequest
from shared.domain.errors import StoreUnavailable, Unstorable
from shared.domain.states import Status
from shared.domain.task import Task
from shared.domain.verdict import released
from shared.queue.cancel import cancel
from shared.queue.lookup import get_task, list_attempts
from shared.queue.retry import retry
from shared.queue.settle import Settled, Settlement, settle
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

    async def slow_settle(stores: Stores, settlements: Sequence[Settlement]) -> list[Settled | None]:
        await may_settle.wait()
        return await settle(stores, settlements)

    monkeypatch.setattr(worker.executions, "settle", slow_settle)
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
    executions.cancel(CancelRequest(task.id, task.generation))

    async def cancelled() -> bool:
        return await status(bench, task) is Status.CANCELLED

    await eventually(cancelled)


async def test_a_cancel_that_comes_late_leaves_the_next_generation_alone(bench: Bench, stage: Stage) -> None:
    """Two ways tell a worker of a cancel; the slower one may find the task begun anew by a person."""
    task = await bench.submitted("waits")
    await cancel(bench.stores, TENANT, task.id)
    await retry(bench.stores, TENANT, task.id)
    executions = Executions(bench.handlers, Slots(1))
    executions.start(await bench.claimed(task))
    await stage.entered.wait()
    executions.cancel(CancelRequest(task.id, task.generation))
    stage.release.set()
    await executions.drain(5, asyncio.Event())
    assert (await status(bench, task), stage.cancels) == (Status.COMPLETED, 0)


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
    executions.cancel(CancelRequest((await bench.submitted("waits")).id, 1))
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


async def test_a_settle_is_repeated_until_the_database_is_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Settlement] = []

    async def away_once(stores: Stores, settlements: Sequence[Settlement]) -> list[Settled | None]:
        tried.extend(settlements)
        if len(tried) == 1:
            raise StoreUnavailable
        return await settle(stores, settlements)

    monkeypatch.setattr(worker.executions, "settle", away_once)
    monkeypatch.setattr(worker.executions, "SETTLE_PAUSE_SECONDS", 0.01)
    executions, task = await started(bench, "returns", Slots(1), "good")
    await executions.drain(5, asyncio.Event())
    assert await status(bench, task) is Status.COMPLETED
    assert [(s.id, s.lease, s.verdict) for s in tried] == [(task.id, tried[0].lease, tried[0].verdict)] * 2


async def test_a_settle_whose_answer_was_lost_ends_the_task_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = 0

    async def answer_lost(stores: Stores, settlements: Sequence[Settlement]) -> list[Settled | None]:
        nonlocal answers
        answers += 1
        written = await settle(stores, settlements)
        if answers == 1:
            raise StoreUnavailable
        return written

    monkeypatch.setattr(worker.executions, "settle", answer_lost)
    monkeypatch.setattr(worker.executions, "SETTLE_PAUSE_SECONDS", 0.01)
    executions, task = await started(bench, "returns", Slots(1), "good")
    await executions.drain(5, asyncio.Event())
    ended = await get_task(bench.stores, TENANT, task.id)
    assert (ended.status, ended.version, answers) == (Status.COMPLETED, 3, 2)
    assert len(await list_attempts(bench.stores, TENANT, task.id)) == 1


async def test_an_outage_is_one_line_a_write_however_many_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    is_away = True

    async def away(stores: Stores, settlements: Sequence[Settlement]) -> list[Settled | None]:
        if is_away:
            raise StoreUnavailable
        return await settle(stores, settlements)

    monkeypatch.setattr(worker.executions, "settle", away)
    monkeypatch.setattr(worker.executions, "SETTLE_PAUSE_SECONDS", 0.01)
    executions = Executions(bench.handlers, Slots(20))
    for claimed in [await bench.claimed(await bench.submitted("returns", "good")) for _ in range(20)]:
        executions.start(claimed)
    with structlog.testing.capture_logs() as lines:

        async def told() -> bool:
            return any(line["event"] == "settle_failed" for line in lines)

        await eventually(told)
        is_away = False
        await executions.drain(5, asyncio.Event())
    failures = [line["runs"] for line in lines if line["event"] == "settle_failed"]
    assert max(failures) == 20, "those that were tried together are told together"


async def test_a_database_that_refuses_every_end_is_not_asked_without_a_pause(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    async def refuse(*_: object) -> list[Settled | None]:
        nonlocal tried
        tried += 1
        raise Unstorable

    monkeypatch.setattr(worker.executions, "settle", refuse)
    executions, _ = await started(bench, "returns", Slots(1), "good")

    async def refused_twice() -> bool:
        return tried >= 2

    await eventually(refused_twice)
    for _ in range(100):
        await asyncio.sleep(0)
    assert tried == 2, "the result, then the failure; and then a pause"
    await executions.abandon()


async def test_a_run_that_lost_its_lease_says_so(bench: Bench, stage: Stage) -> None:
    executions, task = await started(bench, "waits", Slots(1))
    await stage.entered.wait()
    taken_back = Settlement(TENANT, task.id, lease_of(executions), released(), None)
    assert (await settle(bench.stores, [taken_back]))[0] is not None
    stage.release.set()
    with structlog.testing.capture_logs() as lines:
        await executions.drain(5, asyncio.Event())
    [line] = [line for line in lines if line["event"] == "task_lease_lost"]
    assert (line["log_level"], line["task_id"]) == ("warning", str(task.id))
    assert await status(bench, task) is Status.RETRYING


async def test_a_result_the_database_refuses_fails_its_task_and_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are written in one statement at first."""
    monkeypatch.setattr(worker.executor, "result_json", lambda result: '"\\u0000"' if result.value == 7 else "1")
    slots = Slots(2)
    executions = Executions(bench.handlers, slots)
    tasks = [await bench.submitted("returns", way) for way in ("good", "seven")]
    for claimed in [await bench.claimed(task) for task in tasks]:
        slots.take()
        executions.start(claimed)
    await executions.drain(5, asyncio.Event())
    good, bad = [await get_task(bench.stores, TENANT, task.id) for task in tasks]
    assert (good.status, good.result) == (Status.COMPLETED, 1)
    assert bad.status is Status.FAILED
    assert bad.error is not None
    assert bad.error.type == "unstorable"
    assert slots.all_free


async def test_results_that_cannot_be_written_hold_back_new_starts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> list[Settled | None]:
        raise StoreUnavailable

    monkeypatch.setattr(worker.executions, "settle", away)
    slots = Slots(2)
    executions = Executions(bench.handlers, slots)
    for _ in range(4):
        claimed = await bench.claimed(await bench.submitted("returns", "good"))
        async with asyncio.timeout(5):
            await slots.wait_free()
        slots.take()
        executions.start(claimed)

    async def all_ended() -> bool:
        return not executions.running

    await eventually(all_ended)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await slots.wait_free()
    await executions.abandon()
