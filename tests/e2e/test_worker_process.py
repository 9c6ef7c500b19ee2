"""The worker as a process: arq's command line, signals, Redis away, what it lacks, wrong settings."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
import redis.asyncio

from service.client import AsyncClient
from shared.embedded.ports import free_port
from tests.e2e.conftest import Service
from tests.support.processes import Processes

CALCULATION = {"a": 1, "b": 2, "operation": "add"}


async def until_running(client: AsyncClient, task_id: str) -> None:
    deadline = time.monotonic() + 30
    while (await client.get(task_id)).status != "PROCESSING":
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_arqs_check_finds_a_running_worker_and_misses_a_stopped_one(
    service: Service, own_service: Service, processes: Processes
) -> None:
    alive = processes.python("-m", "arq", "--check", "worker.WorkerSettings", env=service.env)
    assert await alive.wait() == 0, alive.output
    nobody = processes.python("-m", "arq", "--check", "worker.WorkerSettings", env=own_service.env)
    assert await nobody.wait() == 1, nobody.output


async def test_burst_mode_ends_when_nothing_is_due(own_service: Service, processes: Processes) -> None:
    await own_service.start_api()
    async with own_service.client() as client:
        tasks = [await client.submit("simple_calculation", CALCULATION) for _ in range(30)]
        burst = processes.python("-m", "arq", "--burst", "worker.WorkerSettings", env=own_service.env)
        assert await burst.wait(60) == 0, burst.output
        assert {(await client.get(t.id)).status for t in tasks} == {"COMPLETED"}


async def test_a_worker_told_to_stop_gives_its_task_back_and_another_finishes_it(own_service: Service) -> None:
    own_service.env |= {"TASKRUNNER_TASK_MODULES": "tests.support.own_tasks", "TASKRUNNER_SHUTDOWN_GRACE": "0.2"}
    await own_service.start_api()
    first = await own_service.start_worker()
    async with own_service.client() as client:
        task = await client.submit("sleep", {"value": 1.5})
        await until_running(client, task.id)
        first.send(signal.SIGTERM)
        assert await first.wait() == 0
        waiting = await client.get(task.id)
        assert (waiting.status, waiting.attempt) == ("RETRYING", 0), "a release costs no attempt"
        await own_service.start_worker()
        done = await client.wait(task.id, timeout=30)
        assert (done.status, done.attempt) == ("COMPLETED", 1)
        assert [a.outcome for a in await client.attempts(task.id)] == ["released", "completed"]


async def test_a_second_signal_releases_at_once(own_service: Service) -> None:
    own_service.env |= {"TASKRUNNER_TASK_MODULES": "tests.support.own_tasks", "TASKRUNNER_SHUTDOWN_GRACE": "60"}
    await own_service.start_api()
    worker = await own_service.start_worker()
    async with own_service.client() as client:
        task = await client.submit("sleep", {"value": 50})
        await until_running(client, task.id)
        worker.send(signal.SIGTERM)
        await worker.wait_for_line("signal_received")
        assert worker.returncode is None, "the first signal waits for the grace"
        worker.send(signal.SIGTERM)
        assert await worker.wait(10) == 0
        assert (await client.get(task.id)).status == "RETRYING"


async def test_tasks_submitted_while_redis_is_away_are_accepted_and_run(own_service: Service) -> None:
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    own_service.env |= {"REDIS_URL": nobody, "REDIS_RESULT_URL": nobody}
    await own_service.start_api()
    async with own_service.client() as client:
        started = time.monotonic()
        task = await client.submit("simple_calculation", CALCULATION)
        assert time.monotonic() - started < 2
        assert task.status == "PENDING"
        await own_service.start_worker()
        done = await client.wait(task.id, timeout=30)
        assert done.status == "COMPLETED"
        assert (await client.ready()).status == "degraded"


async def test_a_flushed_queue_loses_nothing(own_service: Service) -> None:
    await own_service.start_api()
    async with own_service.client() as client:
        tasks = [await client.submit("simple_calculation", CALCULATION) for _ in range(50)]
        async with redis.asyncio.Redis.from_url(own_service.env["REDIS_URL"]) as queue:
            await queue.flushdb()
        await own_service.start_worker()
        for task in tasks:
            assert (await client.wait(task.id, timeout=30)).status == "COMPLETED"


async def test_urgent_work_goes_first_and_priorities_order_a_queue(own_service: Service) -> None:
    await own_service.start_api()
    async with own_service.client() as client:
        last = await client.submit("simple_calculation", CALCULATION, priority=9)
        middle = await client.submit("simple_calculation", CALCULATION, priority=0)
        first = await client.submit("simple_calculation", CALCULATION, queue="urgent", priority=9)
        await own_service.start_worker(TASKRUNNER_CONCURRENCY="1")
        done = [await client.wait(t.id, timeout=30) for t in (first, middle, last)]
        starts = [task.started_at for task in done]
        assert all(starts)
        assert starts == sorted(starts, key=str)


async def test_a_worker_bound_to_a_queue_leaves_the_others_alone(own_service: Service) -> None:
    await own_service.start_api()
    await own_service.start_worker(TASKRUNNER_QUEUES="urgent")
    async with own_service.client() as client:
        other = await client.submit("simple_calculation", CALCULATION)
        mine = await client.submit("simple_calculation", CALCULATION, queue="urgent")
        assert (await client.wait(mine.id, timeout=30)).status == "COMPLETED"
        waiting = await client.get(other.id)
        assert waiting.status == "PENDING"
        assert waiting.progress is not None
        assert "no running worker serves the queue demo_tasks" in str(waiting.progress.message)


async def test_a_task_no_worker_can_serve_says_what_is_missing(own_service: Service) -> None:
    await own_service.start_api()
    async with own_service.client() as client:
        task = await client.submit("text_generation", {"prompt": "Hello"})
        waiting = await client.get(task.id)
        assert waiting.progress is not None
        assert waiting.progress.message == "Waiting: no worker is running."
        await own_service.start_worker(PYTHONPATH="tests/support/without_extras")
        deadline = time.monotonic() + 30
        while "local-ai" not in str((await client.get(task.id)).progress):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        assert (await client.get(task.id)).status == "PENDING"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TASKRUNNER_CONCURRENCY", "many", "TASKRUNNER_CONCURRENCY"),
        ("DATABASE_URL", "mysql://nowhere", "DATABASE_URL"),
        ("TASKRUNNER_TASK_MODULES", "no.such.module", "no.such.module"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    ],
)
async def test_a_wrong_setting_stops_worker_and_api_with_one_line(
    own_service: Service, processes: Processes, name: str, value: str, says: str
) -> None:
    env = {**own_service.env, name: value}
    for child in (processes.worker(env), processes.api(free_port(), env)):
        assert await child.wait() == 2, child.output
        [line] = [line for line in child.lines if line]
        assert says in line
