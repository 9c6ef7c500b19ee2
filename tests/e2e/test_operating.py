"""An operator's day, on real processes: pause, resume, purge, and a worker sent away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from service.client import AsyncClient
from tests.e2e.conftest import Service

CALCULATION = {"a": 1, "b": 2, "operation": "add"}


async def until(holds: Callable[[], Awaitable[bool]], what: str, timeout: float = 30.0) -> None:
    deadline = time.monotonic() + timeout
    while not await holds():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        await asyncio.sleep(0.02)


async def test_a_queue_is_paused_looked_at_purged_and_resumed(own_service: Service) -> None:
    await own_service.start_api()
    await own_service.start_worker()
    async with own_service.client() as client:
        first = await client.submit("simple_calculation", CALCULATION)
        assert (await client.wait(first.id, timeout=30)).is_completed
        assert (await client.pause_queue("demo_tasks")).paused
        held = [await client.submit("simple_calculation", CALCULATION) for _ in range(3)]
        urgent = await client.submit("simple_calculation", CALCULATION, queue="urgent")
        assert (await client.wait(urgent.id, timeout=30)).is_completed, "other queues go on"
        demo = {queue.name: queue for queue in await client.queues()}["demo_tasks"]
        assert (demo.paused, demo.waiting, demo.running) == (True, 3, 0)
        assert (await client.purge_queue("demo_tasks", dry_run=True)).matched == 3
        assert (await client.purge_queue("demo_tasks")).cancelled == 3
        assert {(await client.get(task.id)).status for task in held} == {"CANCELLED"}
        late = await client.submit("simple_calculation", CALCULATION)
        await client.resume_queue("demo_tasks")
        assert (await client.wait(late.id, timeout=30)).is_completed

        async def counted() -> bool:
            return any(queue.throughput for queue in await client.queues())

        await until(counted, "the workers tell what ended")


async def test_a_drained_worker_finishes_what_it_runs_and_ends_with_0(own_service: Service) -> None:
    own_service.env |= {"TASKRUNNER_TASK_MODULES": "tests.support.own_tasks"}
    await own_service.start_api()
    worker = await own_service.start_worker()
    async with own_service.client() as client:
        running = await client.submit("sleep", {"value": 3.0})
        await until_status(client, running.id, "PROCESSING")
        [seen] = await client.workers()
        assert (await client.drain_worker(seen.id)).state == "draining"
        await worker.wait_for_line("worker_drained")
        waiting = await client.submit("simple_calculation", CALCULATION)
        assert await worker.wait(60) == 0
        done = await client.get(running.id)
        assert (done.status, done.attempt) == ("COMPLETED", 1), "what it ran, it finished"
        assert (await client.get(waiting.id)).status == "PENDING", "and it took nothing more"
        assert await client.workers() == []
        await own_service.start_worker()
        assert (await client.wait(waiting.id, timeout=30)).is_completed


async def until_status(client: AsyncClient, task_id: str, status: str) -> None:
    async def holds() -> bool:
        return (await client.get(task_id)).status == status

    await until(holds, status)
