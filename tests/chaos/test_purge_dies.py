"""The API is killed in the middle of a purge: each task waits or is CANCELLED, and a repeat completes it."""

from __future__ import annotations

import asyncio
import signal

import httpx
import pytest

from tests.chaos.conftest import Stage
from tests.support.checker import violations
from tests.support.evidence import gathered
from tests.support.faults import connected, until_value

TASKS = 6_000
CANCELLED = "SELECT count(*) FROM tasks WHERE status = 'CANCELLED'"
HALF_MOVED = """
    SELECT count(*) FROM tasks
    WHERE (status, version, cancel_requested, finished_at IS NOT NULL)
          NOT IN (('PENDING', 1, false, false), ('CANCELLED', 2, true, true))
"""
PURGE = "/api/v1/queues/demo_tasks/tasks"


@pytest.mark.chaos
async def test_a_purge_that_was_killed_leaves_whole_tasks_and_is_completed_by_the_next(stage: Stage) -> None:
    async with stage.api() as api, stage.load() as load:
        await load.submit_batch(TASKS)
        purging = asyncio.create_task(load.purge("demo_tasks"))
        await until_value(stage.database_url, f"SELECT ({CANCELLED}) > 0", is_=True)
        killed = api.child
        killed.send(signal.SIGKILL)
        assert (await purging).status is None, "it was killed before it could answer"
        await api.replaced(killed)
        async with connected(stage.database_url) as database:
            done = await database.fetchval(CANCELLED)
            assert await database.fetchval(HALF_MOVED) == 0
        assert 0 < done < TASKS, "the kill came in the middle"
        async with httpx.AsyncClient(base_url=stage.service.url, timeout=60, trust_env=False) as client:
            rounds = [(await client.delete(PURGE)).json()]
            while rounds[-1]["has_more"]:
                rounds.append((await client.delete(PURGE)).json())
        assert sum(one["cancelled"] for one in rounds) == TASKS - done
        evidence = await gathered(stage.database_url, stage.ledger, load.calls)
    assert violations(evidence) == []
    assert {row.status for row in evidence.rows} == {"CANCELLED"}
