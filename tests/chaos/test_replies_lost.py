"""The reply to a COMMIT never comes: the write took effect, its writer does not know, and it counts once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from tests.chaos.conftest import Stage
from tests.support.evidence import started_of
from tests.support.faults import Recoveries, until, until_value
from tests.support.load import Load
from tests.support.proxy import Proxy

RELEASED_SECONDS = 15.0
STARTED_SECONDS = 3.0
STATUS = "SELECT status FROM tasks WHERE id = $1"


@pytest.fixture
async def proxy(stage: Stage) -> AsyncIterator[Proxy]:
    """A proxy before PostgreSQL; a test leads the API or the worker through it."""
    async with Proxy.before(stage.database_url) as opened:
        yield opened


async def test_a_submit_whose_commit_was_not_heard_makes_one_task(
    stage: Stage, proxy: Proxy, recoveries: Recoveries
) -> None:
    direct = stage.database_url
    stage.service.env["DATABASE_URL"] = proxy.url
    async with stage.api() as api:
        stage.service.env["DATABASE_URL"] = direct
        async with stage.worker(), stage.load() as load:
            loss = proxy.lose_reply_to(b"COMMIT;")
            submitting = asyncio.create_task(load.submit())
            await loss.held()
            await until_value(direct, "SELECT count(*) FROM tasks", is_=1)
            proxy.cut()
            await submitting
            evidence = await stage.judged(load)
            assert api.exits == []
    assert [call.status for call in load.calls] == [503, 201]
    assert len(evidence.rows) == 1
    waited = evidence.longest_wait()
    recoveries.measured("the reply to a submit is lost: creation to start", waited, STARTED_SECONDS)


async def test_a_claim_whose_commit_was_not_heard_is_given_back(
    stage: Stage, proxy: Proxy, recoveries: Recoveries
) -> None:
    direct = stage.database_url
    async with stage.api():
        stage.service.env["DATABASE_URL"] = proxy.url
        async with stage.worker() as worker, stage.load() as load:
            lost = await _claim_unheard(stage, proxy, load)
            await until_value(direct, STATUS, UUID(lost), is_="PROCESSING")
            proxy.cut()
            took = await until(lambda: lost in started_of(stage.ledger), RELEASED_SECONDS + 5, "its start")
            evidence = await stage.judged(load)
            assert worker.exits == []
    assert evidence.outcomes == {"released": 1}
    assert {row.attempt for row in evidence.rows} == {1}, "the unheard claim costs no attempt"
    recoveries.measured("the reply to a claim is lost: until its start", took, RELEASED_SECONDS)


async def _claim_unheard(stage: Stage, proxy: Proxy, load: Load) -> str:
    """A task whose claim was forwarded, and whose reply is held."""
    for _ in range(20):
        # Delayed, so that its id is known before anybody claims it. A poll may come first; it names no id.
        task_id = await load.submit(delay=0.7)
        loss = proxy.lose_reply_to(UUID(task_id).bytes)
        await until(lambda: loss.is_held.is_set() or task_id in started_of(stage.ledger), 30, "its claim")  # noqa: B023
        if task_id not in started_of(stage.ledger):
            return task_id
        await until_value(stage.database_url, STATUS, UUID(task_id), is_="COMPLETED")
    raise AssertionError("every task was claimed by poll")


async def test_a_settle_whose_commit_was_not_heard_ends_the_task_once(
    stage: Stage, proxy: Proxy, recoveries: Recoveries
) -> None:
    direct = stage.database_url
    async with stage.api():
        stage.service.env["DATABASE_URL"] = proxy.url
        async with stage.worker() as worker, stage.load(seconds=0.7) as load:
            task_id = await load.submit()
            await until(lambda: task_id in started_of(stage.ledger), 30, "its start")
            loss = proxy.lose_reply_to(UUID(task_id).bytes)
            await loss.held()
            await until_value(direct, STATUS, UUID(task_id), is_="COMPLETED")
            proxy.cut()
            cut_at = time.monotonic()
            following = await load.submit(seconds=0)
            await until_value(direct, STATUS, UUID(following), is_="COMPLETED", timeout=RELEASED_SECONDS + 5)
            took = time.monotonic() - cut_at
            await load.get(task_id)
            evidence = await stage.judged(load)
            assert worker.exits == []
    assert evidence.outcomes == {}, "no run but the ones that completed"
    recoveries.measured("the reply to a settle is lost: until the next task's end", took, RELEASED_SECONDS)
