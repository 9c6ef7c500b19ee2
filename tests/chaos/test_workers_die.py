"""Workers that are killed, stopped or poisoned: their tasks run again, once each, and late words count for nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from service.client import AsyncClient
from tests.e2e.conftest import Service
from tests.support.faults import Recoveries
from tests.support.memory import MemoryLimit, memory_limit
from tests.support.processes import Child

TAKEN_OVER_SECONDS = 10.0


@pytest.fixture
async def chaos(own_service: Service) -> Service:
    own_service.env |= {
        "TASKRUNNER_TASK_MODULES": "tests.support.own_tasks",
        "PYTHONPATH": ".",
    }
    await own_service.start_api()
    return own_service


async def until_running(client: AsyncClient, task_id: str) -> None:
    deadline = time.monotonic() + 30
    while (await client.get(task_id)).status != "PROCESSING":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def outcomes(client: AsyncClient, task_id: str) -> list[str]:
    return [a.outcome for a in await client.attempts(task_id)]


async def until_starts(ledger: Path, count: int) -> float:
    """Seconds until the task has started so often."""
    since = time.monotonic()
    while starts_in(ledger) < count:
        assert time.monotonic() - since < 2 * TAKEN_OVER_SECONDS
        await asyncio.sleep(0.01)
    return time.monotonic() - since


def starts_in(ledger: Path) -> int:
    return ledger.read_text().count('"start"') if ledger.exists() else 0


async def runner_of(client: AsyncClient, task_id: str, workers: list[Child]) -> Child:
    """The worker that runs the task. Both are up before it is submitted: a start may take longer than the task."""
    owner = (await client.get(task_id)).worker
    pid = next(worker.pid for worker in await client.workers() if worker.id == owner)
    return next(worker for worker in workers if worker.pid == pid)


async def test_a_killed_workers_task_runs_again_within_ten_seconds(
    chaos: Service, recoveries: Recoveries, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    workers = [await chaos.start_worker(), await chaos.start_worker()]
    async with chaos.client() as client:
        task = await client.submit("effect", {"ledger": str(ledger), "seconds": 3})
        await until_starts(ledger, 1)
        (await runner_of(client, task.id, workers)).send(signal.SIGKILL)
        took = await until_starts(ledger, 2)
        recoveries.measured("kill -9 of a worker: its task starts again", took, TAKEN_OVER_SECONDS)
        done = await client.wait(task.id, timeout=30)
        assert (done.status, done.attempt) == ("COMPLETED", 1), "a lost run costs no attempt"
        assert await outcomes(client, task.id) == ["lost", "completed"]
        assert ledger.read_text().count('"end"') == 1


async def test_with_every_worker_dead_the_api_takes_the_tasks_back(chaos: Service, tmp_path: Path) -> None:
    victim = await chaos.start_worker()
    async with chaos.client() as client:
        task = await client.submit("effect", {"ledger": str(tmp_path / "ledger"), "seconds": 60})
        await until_running(client, task.id)
        victim.send(signal.SIGKILL)
        killed_at = time.monotonic()
        while (await client.get(task.id)).status != "RETRYING":
            assert time.monotonic() - killed_at < TAKEN_OVER_SECONDS
            await asyncio.sleep(0.05)


async def test_a_stopped_worker_is_fenced_and_restarts_clean(
    chaos: Service, recoveries: Recoveries, tmp_path: Path
) -> None:
    ledger = tmp_path / "ledger"
    workers = [await chaos.start_worker(), await chaos.start_worker()]
    async with chaos.client() as client:
        task = await client.submit("effect", {"ledger": str(ledger), "seconds": 3})
        await until_starts(ledger, 1)
        zombie = await runner_of(client, task.id, workers)
        zombie.send(signal.SIGSTOP)
        took = await until_starts(ledger, 2)
        recoveries.measured("SIGSTOP of a worker: its task starts elsewhere", took, TAKEN_OVER_SECONDS)
        done = await client.wait(task.id, timeout=30)
        zombie.send(signal.SIGCONT)
        assert await zombie.wait(30) == 75, "declared dead: it ends, and its supervisor starts another"
        assert done.status == "COMPLETED"
        after = await client.get(task.id)
        assert (after.updated_at, after.result) == (done.updated_at, done.result), "the zombie changed nothing"
        assert await outcomes(client, task.id) == ["lost", "completed"]


@pytest.mark.parametrize(
    ("poison", "starts", "others"),
    [
        ("kill_worker", 3, 200),
        ("kill_child", 2, 200),
        pytest.param("kill_worker", 3, 1_000, marks=pytest.mark.chaos),
    ],
)
async def test_a_poison_task_fails_and_the_others_complete(
    chaos: Service, poison: str, starts: int, others: int
) -> None:
    assert await _starts_among_others(chaos, poison, others) == starts


@pytest.mark.chaos
async def test_a_task_that_takes_all_memory_fails_and_the_others_complete(chaos: Service) -> None:
    """The kernel ends the worker, then twice the process that the task has to itself: each time the largest."""
    with memory_limit(f"taskrunner-test-{os.getpid()}", 1_000) as limit:
        assert await _starts_among_others(chaos, "eat_memory", 1_000, limit) == 3
        assert limit.kills >= 3


async def _starts_among_others(chaos: Service, poison: str, others: int, limit: MemoryLimit | None = None) -> int:
    """Submit a poison task, then harmless ones; how often the former was started once all have ended as they should."""
    keeper = asyncio.create_task(_keep_alive(chaos, limit))
    try:
        async with chaos.client() as client:
            bad = await client.submit(poison, {})
            batch = [{"type": "shout", "input": {"text": f"n{n}"}} for n in range(others)]
            accepted = await client.submit_batch(batch)
            done = await client.wait(bad.id, timeout=90)
            assert done.error is not None
            assert (done.status, done.error.type) == ("FAILED", "poison")
            for other in accepted:
                assert (await client.wait(other.id, timeout=60)).status == "COMPLETED"
            return len(await client.attempts(bad.id))
    finally:
        keeper.cancel()
        await asyncio.gather(keeper, return_exceptions=True)


async def _keep_alive(service: Service, limit: MemoryLimit | None = None) -> None:
    """A supervisor: a worker that ends is started again."""
    while True:
        worker = service.processes.worker(service.env)
        if limit is not None:
            limit.hold(worker.pid)
        with contextlib.suppress(AssertionError):
            await worker.wait(timeout=3_600)


@pytest.mark.parametrize("seconds", [8, pytest.param(30, marks=pytest.mark.chaos)])
async def test_seconds_of_python_in_a_blocking_handler_kill_nobody(chaos: Service, seconds: int) -> None:
    worker = await chaos.start_worker()
    async with chaos.client() as client:
        task = await client.submit("burn_cpu", {"value": seconds})
        done = await client.wait(task.id, timeout=seconds + 48)
        assert (done.status, await outcomes(client, task.id)) == ("COMPLETED", ["completed"])
        assert worker.returncode is None


@pytest.mark.chaos
async def test_a_handler_that_never_lets_go_of_the_interpreter_ends_in_a_child_of_its_own(chaos: Service) -> None:
    """No thread of its process can beat meanwhile: that is death, and must cost a rescue and no attempt."""
    frozen = await chaos.start_worker()
    async with chaos.client() as client:
        task = await client.submit("hold_interpreter", {"value": 30})
        await until_running(client, task.id)
        other = await chaos.start_worker()
        done = await client.wait(task.id, timeout=100)
        assert (done.status, done.attempt, await outcomes(client, task.id)) == ("COMPLETED", 1, ["lost", "completed"])
        assert await frozen.wait(30) == 75
        assert other.returncode is None
