"""The API is killed in a burst: what was committed runs, and a client that repeats itself makes no second task."""

from __future__ import annotations

import asyncio
import signal

from tests.chaos.conftest import Stage
from tests.support.faults import Recoveries
from tests.support.proxy import Proxy

STARTED_SECONDS = 3.0


async def test_a_burst_over_a_killed_api_makes_one_task_per_key(stage: Stage, recoveries: Recoveries) -> None:
    async with stage.running() as (api, _), stage.load() as load:
        burst = asyncio.create_task(load.steady(rate=60, seconds=8))
        for _ in range(2):
            await asyncio.sleep(1.5)
            killed = api.child
            killed.send(signal.SIGKILL)
            await api.replaced(killed)
        await burst
        evidence = await stage.judged(load)
    assert api.exits == [-9, -9]
    assert len(evidence.rows) == len(load.ids), "one task per key"
    assert any(call.status is None for call in load.calls), "the burst met the dead API"
    recoveries.measured("kill -9 of the API in a burst: creation to start", evidence.longest_wait(), STARTED_SECONDS)


async def test_an_api_killed_between_commit_and_hint_delays_its_tasks_and_loses_none(
    stage: Stage, recoveries: Recoveries
) -> None:
    direct = stage.service.env["REDIS_URL"]
    async with Proxy.before(direct) as proxy:
        stage.service.env["REDIS_URL"] = proxy.url
        async with stage.api() as api:
            stage.service.env["REDIS_URL"] = direct
            async with stage.worker(), stage.load() as load:
                proxy.requests.hang()
                async with asyncio.TaskGroup() as group:
                    for _ in range(20):
                        group.create_task(load.submit())
                api.child.send(signal.SIGKILL)
                proxy.cut()
                evidence = await stage.judged(load)
    waited = evidence.longest_wait()
    recoveries.measured("kill -9 of the API between COMMIT and hint: creation to start", waited, STARTED_SECONDS)
