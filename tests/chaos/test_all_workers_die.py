"""Every worker is killed and none comes for half a minute: all waits, nothing is lost, and no attempt is burnt."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.chaos.conftest import Stage
from tests.support.evidence import started_of
from tests.support.faults import Recoveries, until, until_value

AWAY_SECONDS = 30.0
TAKEN_BACK_SECONDS = 10.0
DRAINED_SECONDS = 60.0


@pytest.mark.chaos
@pytest.mark.timeout(240)
async def test_with_every_worker_killed_for_thirty_seconds_all_waits_and_then_runs(
    stage: Stage, recoveries: Recoveries
) -> None:
    async with stage.running(workers=0), stage.load(seconds=0.5) as load:
        victims = [await stage.service.start_worker() for _ in range(2)]
        steady = asyncio.create_task(load.steady(rate=10, seconds=AWAY_SECONDS + 5))
        lost = [await load.submit(seconds=5) for _ in range(5)]
        await until(lambda: started_of(stage.ledger) >= set(lost), 30, "their start")
        for victim in victims:
            victim.send(signal.SIGKILL)
        running = "SELECT count(*) FROM tasks WHERE status = 'PROCESSING'"
        took = await until_value(stage.database_url, running, is_=0)
        recoveries.measured("kill -9 of all workers: their tasks are taken back", took, TAKEN_BACK_SECONDS)
        await asyncio.sleep(AWAY_SECONDS - took)
        assert all(call.status == 201 for call in load.calls), "without workers, tasks are accepted as before"
        workers = [await stage.service.start_worker() for _ in range(2)]
        recoveries.measured("no worker for 30 s: new ones to a start", await stage.recovered(load), TAKEN_BACK_SECONDS)
        await steady
        evidence = await stage.judged(load, timeout=DRAINED_SECONDS)
        assert [worker.returncode for worker in workers] == [None, None]
    assert evidence.outcomes["lost"] >= len(lost)
    assert {row.attempt for row in evidence.rows} == {1}
    assert {row.status for row in evidence.rows} == {"COMPLETED"}
