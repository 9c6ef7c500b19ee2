"""Wall clocks that jump by an hour under the processes: nothing is judged by them but what a caller dated.

PostgreSQL's clock alone says when a task is due; who lives is judged by counters and monotonic clocks.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.db.migrate import upgrade
from tests.chaos.conftest import Stage
from tests.support.checker import violations
from tests.support.clocks import Clock, PostgresByClock
from tests.support.evidence import gathered, ledger_of
from tests.support.facts import Evidence
from tests.support.faults import Keeper, Store, connected, until, until_all_ended, until_value
from tests.support.load import Load

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

HOUR = 3_600
PAST_EVERY_LEASE_SECONDS = 8.0
DELAY_SECONDS = 12.0
LATE_SECONDS = 3.0
RETRIES = """
    SELECT extract(epoch FROM t.run_at - a.finished_at)::float8 FROM tasks t JOIN attempts a ON a.task_id = t.id
    WHERE t.type = 'retry_in' AND a.outcome = 'retried'
"""
WAITS = "SELECT extract(epoch FROM started_at - run_at)::float8 FROM tasks"


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    return Clock(tmp_path)


async def judged(stage: Stage, load: Load) -> Evidence:
    """G, but for the times in the ledger: they are by the clock that jumped."""
    await until_all_ended(stage.database_url)
    evidence = await gathered(stage.database_url, stage.ledger, load.calls)
    undated = [replace(effect, at=math.inf) for effect in evidence.ledger]
    assert violations(replace(evidence, ledger=undated)) == []
    assert evidence.outcomes["lost"] == 0
    return evidence


def workers_and_postgresql_disagreed(evidence: Evidence) -> bool:
    started_at = {row.id: row.started_at or 0.0 for row in evidence.rows}
    return any(abs(e.at - started_at[e.task_id]) > HOUR / 2 for e in evidence.ledger if e.what == "start")


async def until_api_is_off(http: httpx.AsyncClient, seconds: int) -> None:
    """Wait until the API's clock has jumped, as its Date header tells."""
    deadline = asyncio.get_running_loop().time() + 10
    while True:
        told = parsedate_to_datetime((await http.get("/health/live")).headers["Date"])
        if abs((told - datetime.now(UTC)).total_seconds() - seconds) < HOUR / 2:
            return
        assert asyncio.get_running_loop().time() < deadline, f"the API's clock says {told}"
        await asyncio.sleep(0.1)


async def settled_down(stage: Stage, keepers: Sequence[Keeper]) -> list[int]:
    """Wait until all workers beat, and count the exits until then: a start under libfaketime is slow."""
    beating = "SELECT count(*) FROM workers WHERE state = 'running' AND beat > 2"
    await until_value(stage.database_url, beating, is_=len(keepers) - 1, timeout=60)
    return [len(keeper.exits) for keeper in keepers]


async def values(database_url: str, query: str) -> list[float]:
    async with connected(database_url) as connection:
        return [record[0] for record in await connection.fetch(query, timeout=30)]


def that_wait(ledger: Path, now: datetime) -> list[dict[str, Any]]:
    """Tasks that wait for a delay, for an instant, for a retry; and one that may not wait for long."""
    effect = {"type": "effect", "input": {"ledger": str(ledger)}}
    return [
        {**effect, "delay": DELAY_SECONDS},
        {**effect, "run_at": (now + timedelta(seconds=24)).isoformat()},
        {"type": "retry_in", "input": {"value": DELAY_SECONDS}},
        {**effect, "delay": 5, "expires_at": (now + timedelta(minutes=10)).isoformat()},
    ]


async def submit(http: httpx.AsyncClient, key: str, bodies: Sequence[dict[str, Any]]) -> list[str]:
    """The ids of tasks submitted under ``key`` and a number each."""
    ids = []
    for number, body in enumerate(bodies):
        answer = await http.post("/api/v1/tasks", json=body, headers={"Idempotency-Key": f"{key} {number}"})
        assert answer.status_code == 201, answer.text
        ids.append(answer.json()["id"])
    return ids


@pytest.mark.parametrize("jumps", [(HOUR, 0), (-HOUR, 0)], ids=["ahead", "back"])
async def test_clocks_of_api_and_workers_that_jump_change_nothing(
    stage: Stage, clock: Clock, jumps: Sequence[int]
) -> None:
    stage.service.env |= clock.env
    async with (
        stage.running(workers=2) as keepers,
        stage.load(seconds=0.2) as load,
        httpx.AsyncClient(base_url=stage.service.url, timeout=10, trust_env=False) as http,
    ):
        before = await settled_down(stage, keepers)
        steady = asyncio.create_task(load.steady(rate=10, seconds=20))
        running = [await load.submit(seconds=10) for _ in range(3)]
        await until(lambda: {e.task_id for e in ledger_of(stage.ledger)} >= set(running), 60, "their start")
        bodies = that_wait(stage.ledger, datetime.now(UTC))
        first = await submit(http, "before", bodies)
        for number, seconds in enumerate(jumps):
            clock.jump(seconds)
            await until_api_is_off(http, seconds)
            assert await submit(http, "before", bodies) == first, "its keys are still known"
            await submit(http, f"jump {number}", bodies)
            await asyncio.sleep(PAST_EVERY_LEASE_SECONDS)
        await steady
        evidence = await judged(stage, load)
        assert [len(keeper.exits) for keeper in keepers] == before
    assert workers_and_postgresql_disagreed(evidence)
    assert {row.status for row in evidence.rows} == {"COMPLETED"}, "nothing has expired"
    waits = await values(stage.database_url, WAITS)
    assert 0 <= min(waits) <= max(waits) <= LATE_SECONDS
    pauses = await values(stage.database_url, RETRIES)
    assert len(pauses) == 3
    assert all(abs(pause - DELAY_SECONDS) < 1 for pause in pauses), pauses


async def test_a_clock_of_postgresql_that_jumps_kills_nobody(stage: Stage, clock: Clock, tmp_path: Path) -> None:
    async with Store(PostgresByClock(tmp_path / "postgres", clock=clock)) as store:
        await upgrade(store.url)
        stage.database_url = stage.service.env["DATABASE_URL"] = store.url
        async with stage.running(workers=2) as keepers, stage.load(seconds=0.2) as load:
            before = await settled_down(stage, keepers)
            running = [await load.submit(seconds=25) for _ in range(3)]
            await until(lambda: {e.task_id for e in ledger_of(stage.ledger)} >= set(running), 60, "their start")
            for seconds in (HOUR, 0, -HOUR, 0):
                # Drained at each jump: what was due at 13:00 by a clock that then says 12:00 waits for an hour.
                await drained(store.url, but=len(running))
                clock.jump(seconds)
                await load.steady(rate=10, seconds=PAST_EVERY_LEASE_SECONDS)
            evidence = await judged(stage, load)
            assert [len(keeper.exits) for keeper in keepers] == before
    assert workers_and_postgresql_disagreed(evidence)
    assert {row.attempt for row in evidence.rows} == {1}


async def drained(database_url: str, *, but: int) -> None:
    unended = "SELECT count(*) FROM tasks WHERE status IN ('PENDING', 'RETRYING', 'PROCESSING')"
    await until_value(database_url, unended, is_=but)
