"""Arq jobs beside tasks in one worker, which is killed, and whose Redis is killed: neither source loses anything."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.jobs import Job

from shared.embedded.valkey import Valkey
from tests.e2e.conftest import Service
from tests.integration.jobs.conftest import eventually
from tests.support.faults import Store
from worker.engine.jobs import pack, unpack

pytestmark = pytest.mark.chaos
THEIRS = "tests.support.arq_jobs.WorkerSettings"


@pytest.fixture
def hosting(own_service: Service) -> Service:
    own_service.env |= {
        "TASKRUNNER_TASK_MODULES": "tests.support.own_tasks",
        "TASKRUNNER_ARQ_SETTINGS": THEIRS,
        "PYTHONPATH": ".",
        "LEASE": "2",
        "LEDGER_URL": own_service.env["REDIS_RESULT_URL"],
    }
    return own_service


@pytest_asyncio.fixture
async def ledger(hosting: Service) -> AsyncIterator[ArqRedis]:
    async with connected(hosting.env["LEDGER_URL"]) as client:
        yield client


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[ArqRedis]:
    where = RedisSettings.from_dsn(url)
    where.conn_timeout = 10
    client = await create_pool(where, job_serializer=pack, job_deserializer=unpack)
    try:
        yield client
    finally:
        await client.aclose(close_connection_pool=True)


async def starts(ledger: ArqRedis) -> Counter[str]:
    """How often each job has begun."""
    lines = await cast("Awaitable[list[bytes]]", ledger.lrange("ledger", 0, -1))
    return Counter(line.split()[1].decode() for line in lines if line.startswith(b"start"))


async def begun(ledger: ArqRedis, jobs: list[Job]) -> None:
    async def are_noted() -> bool:
        return {job.job_id for job in jobs} <= set(await starts(ledger))

    await eventually(are_noted, 60)


async def enqueued(queue: ArqRedis, count: int, seconds: float) -> list[Job]:
    jobs = [await queue.enqueue_job("work", seconds) for _ in range(count)]
    return [job for job in jobs if job is not None]


async def test_jobs_and_tasks_of_a_killed_worker_run_again(hosting: Service, ledger: ArqRedis) -> None:
    await hosting.start_api()
    victim = await hosting.start_worker()
    async with connected(hosting.env["REDIS_URL"]) as queue, hosting.client() as client:
        task, jobs = await client.submit("sleep", {"value": 2}), await enqueued(queue, 3, 2)
        await begun(ledger, jobs)
        victim.send(signal.SIGKILL)
        await victim.wait()
        await hosting.start_worker()
        assert [await job.result(timeout=30, poll_delay=0.05) for job in jobs] == [2, 2, 2]
        done = await client.wait(task.id, timeout=30)
        assert (done.status, done.attempt) == ("COMPLETED", 1)
        assert set((await starts(ledger)).values()) == {2}


async def test_a_restart_of_redis_loses_neither_jobs_nor_tasks(
    hosting: Service, ledger: ArqRedis, tmp_path: Path
) -> None:
    store = Store(Valkey(tmp_path / "valkey", settings={"appendonly": "yes", "appendfsync": "always"}))
    async with store:
        hosting.env["REDIS_URL"] = store.url
        await hosting.start_api()
        worker = await hosting.start_worker()
        async with connected(store.url) as queue, hosting.client() as client:
            task, jobs = await client.submit("sleep", {"value": 5}), await enqueued(queue, 3, 5)
            await begun(ledger, jobs)
            store.kill()
            meanwhile = await client.submit("sleep", {"value": 0.1})
            assert (await client.wait(meanwhile.id, timeout=30)).status == "COMPLETED"
            await asyncio.sleep(3)  # longer than the leases: nobody else takes the jobs, and their worker must not
            await store.start()
            assert [await job.result(timeout=30, poll_delay=0.05) for job in jobs] == [1, 1, 1]
            assert (await client.wait(task.id, timeout=30)).status == "COMPLETED"
            later = await enqueued(queue, 3, 0)
            assert [await job.result(timeout=30, poll_delay=0.05) for job in later] == [1, 1, 1]
        assert worker.returncode is None
