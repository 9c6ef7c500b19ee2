"""Deploys: every process is replaced under load, the API too. Nobody is refused, cut off, or told to come again."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from tests.chaos.conftest import Stage
from tests.support.callers import Callers, now_and_then
from tests.support.faults import Recoveries
from tests.support.load import Load
from tests.support.processes import Child

STARTED_SECONDS = 10.0
ROLL_SECONDS = 60.0


async def rolled(up: Child, times: int) -> None:
    """Replace every process once more; returns when that is done for the time of this number."""
    up.send(signal.SIGHUP)

    async def done() -> bool:
        return up.output.count("| replaced") == times

    await up.wait_until(done, ROLL_SECONDS, what=f"replaced {times} times")


async def waited(stage: Stage, task_id: str) -> str:
    """The status a patient client is told that waits for a task."""
    async with httpx.AsyncClient(timeout=90, trust_env=False) as client:
        answer = await client.get(f"{stage.service.url}/api/v1/tasks/{task_id}?wait=60")
    return str(answer.json()["status"])


async def long_runs(load: Load, stop: asyncio.Event) -> None:
    """Some task runs at every moment that is longer than a worker's grace."""
    while not stop.is_set():
        await load.submit(seconds=2.5)
        await asyncio.sleep(0.5)


@pytest.mark.parametrize("times", [1, pytest.param(10, marks=[pytest.mark.chaos, pytest.mark.timeout(600)])])
async def test_replacing_every_process_under_load_is_seen_by_nobody(
    stage: Stage, recoveries: Recoveries, tmp_path: Path, times: int
) -> None:
    stage.service.env |= {"TASKRUNNER_SMTP_URL": "smtp://127.0.0.1:9", "TASKRUNNER_SHUTDOWN_GRACE": "1"}
    port, stop = stage.service.port, asyncio.Event()
    up = stage.service.processes.taskrunner("up", "--port", str(port), env=stage.service.env, cwd=tmp_path)
    await up.wait_for_line(r"ready in \d", timeout=90)
    callers = Callers(port)
    async with stage.load(seconds=0.3) as load, asyncio.TaskGroup() as clients:
        clients.create_task(load.until_set(stop, rate=10))
        clients.create_task(long_runs(load, stop))
        for is_kept in (True, False):
            for _ in range(3):
                clients.create_task(callers.call_until(stop, pause=now_and_then(0.05), is_kept=is_kept))
        for _ in range(20):
            clients.create_task(callers.call_until(stop, pause=now_and_then(2.0), is_kept=True))
        later = await load.submit(delay=3_600)
        for n in range(times):
            waiting = clients.create_task(waited(stage, later))
            await rolled(up, n + 1)
            assert await waiting == "SCHEDULED", "told how it stands, and not cut off"
        stop.set()
        await load.cancel(later)
    evidence = await stage.judged(load)
    up.send(signal.SIGTERM)
    assert await up.wait(60) == 0
    assert "is killed" not in up.output
    assert set(callers.told) == {"200", "201"}, callers.told
    assert {call.status for call in load.calls} == {200, 201}
    assert {row.attempt for row in evidence.rows if row.id != later} == {1}, "no attempt was burnt"
    assert set(evidence.outcomes) == {"released"}, "some runs were given back, and none lost"
    began = {effect.task_id: effect.at for effect in reversed(evidence.ledger)}
    longest = max(began[row.id] - row.created_at for row in evidence.rows if row.id in began)
    recoveries.measured(f"{times} rolling restarts of API and worker: creation to start", longest, STARTED_SECONDS)
