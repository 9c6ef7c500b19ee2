"""Deploys: workers are told to stop, one after the other, under load. No attempt is burnt, no request refused."""

from __future__ import annotations

import asyncio
import signal

import pytest

from tests.chaos.conftest import Stage
from tests.support.evidence import started_of
from tests.support.faults import Recoveries, until

STARTED_SECONDS = 3.0


# In the default run test_rolling_api.py replaces the worker, too.
@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.parametrize("times", [10])
async def test_a_rolling_restart_burns_no_attempt(stage: Stage, recoveries: Recoveries, times: int) -> None:
    # A grace shorter than the longest runs: some of them are given back.
    async with (
        stage.running(workers=2, TASKRUNNER_SHUTDOWN_GRACE="1") as (api, *workers),
        stage.load(seconds=0.3) as load,
    ):
        stop = asyncio.Event()
        steady = asyncio.create_task(load.until_set(stop, rate=20))
        for n in range(times):
            long_runs = [await load.submit(seconds=2.5) for _ in range(4)]
            await until(lambda: started_of(stage.ledger) >= set(long_runs), 30, "long runs")  # noqa: B023
            worker = workers[n % 2]
            old = worker.child
            old.send(signal.SIGTERM)
            await worker.replaced(old)
        stop.set()
        await steady
        evidence = await stage.judged(load)
        assert [w.exits.count(0) for w in workers] == [len(w.exits) for w in workers], "each stopped cleanly"
        assert api.exits == []
    assert {row.attempt for row in evidence.rows} == {1}, "no attempt was burnt"
    assert set(evidence.outcomes) == {"released"}, "some runs were given back, and none lost"
    assert {call.status for call in load.calls} == {201}, "no request was refused"
    waited = evidence.longest_wait()
    recoveries.measured(f"{times} rolling restarts under load: creation to start", waited, STARTED_SECONDS)
