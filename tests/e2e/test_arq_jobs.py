"""One process, two sources: our worker started by arq's command line serves tasks and a user's own arq jobs."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from arq.connections import ArqRedis, RedisSettings, create_pool

from tests.e2e.conftest import Service
from tests.e2e.test_worker_process import CALCULATION, until_running
from tests.house.pages import page
from tests.house.test_docs_run import written
from tests.house.tree import ROOT
from tests.integration.jobs.conftest import eventually
from tests.support.processes import Processes
from worker.engine.jobs import pack, unpack

THEIRS = "tests.support.arq_jobs.WorkerSettings"


@pytest.fixture
def hosting(own_service: Service) -> Service:
    own_service.env |= {"TASKRUNNER_TASK_MODULES": "tests.support.own_tasks", "TASKRUNNER_ARQ_SETTINGS": THEIRS}
    return own_service


@pytest_asyncio.fixture
async def queue(hosting: Service) -> AsyncIterator[ArqRedis]:
    where = RedisSettings.from_dsn(hosting.env["REDIS_URL"])
    where.conn_timeout = 10
    client = await create_pool(where, job_serializer=pack, job_deserializer=unpack)
    yield client
    await client.aclose(close_connection_pool=True)


async def begun(queue: ArqRedis, count: int) -> None:
    async def are_noted() -> bool:
        lines = await cast("Awaitable[list[bytes]]", queue.lrange("ledger", 0, -1))
        return sum(line.startswith(b"start") for line in lines) >= count

    await eventually(are_noted, 30)


async def test_both_sources_drain_on_sigterm(hosting: Service, queue: ArqRedis, processes: Processes) -> None:
    await hosting.start_api()
    worker = await hosting.start_worker()
    async with hosting.client() as client:
        task, job = await client.submit("sleep", {"value": 1.5}), await queue.enqueue_job("work", 1.5)
        assert job is not None
        await until_running(client, task.id)
        await begun(queue, 1)
        check = processes.python("-m", "arq", "--check", "worker.WorkerSettings", env=hosting.env)
        worker.send(signal.SIGTERM)
        assert await worker.wait(30) == 0, worker.output
        assert await job.result(timeout=1) == 1
        assert (await client.get(task.id)).status == "COMPLETED"
        assert await check.wait() == 0, check.output


async def test_a_burst_serves_both(hosting: Service, queue: ArqRedis, processes: Processes) -> None:
    await hosting.start_api()
    async with hosting.client() as client:
        task, job = await client.submit("simple_calculation", CALCULATION), await queue.enqueue_job("work")
        assert job is not None
        burst = processes.python("-m", "arq", "--burst", "worker.WorkerSettings", env=hosting.env)
        assert await burst.wait(60) == 0, burst.output
        assert await job.result(timeout=1) == 1
        assert (await client.get(task.id)).status == "COMPLETED"


async def test_the_example_of_the_documentation_works(hosting: Service, processes: Processes, tmp_path: Path) -> None:
    for block in page("docs/arq-compatibility.md").blocks:
        if block.language == "python":
            written(block, tmp_path)
    env = {**hosting.env, "PYTHONPATH": f"{ROOT}:{tmp_path}", "TASKRUNNER_ARQ_SETTINGS": "greetings.WorkerSettings"}
    await hosting.start_api()
    processes.worker(env)
    greeting = processes.python(str(tmp_path / "greet.py"), env=env)
    assert await greeting.wait(60) == 0, greeting.output
    assert greeting.lines[-1] == "Hello Ada"


async def test_a_class_that_is_not_there_stops_the_worker_with_one_line(hosting: Service, processes: Processes) -> None:
    child = processes.worker({**hosting.env, "TASKRUNNER_ARQ_SETTINGS": "tests.support.arq_jobs.NoSuchClass"})
    assert await child.wait() == 2, child.output
    [line] = [line for line in child.lines if line]
    assert "TASKRUNNER_ARQ_SETTINGS" in line
