"""Every alert seen firing, because what it tells of is so: processes are killed, stores hang, disks fill up.

The rules are those of deploy/prometheus/alerts.yml without their patience: no threshold is changed. One condition is
set in the database and not lived through: that the daily cleanup ended thirty hours ago.
"""

from __future__ import annotations

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from shared.db.migrate import upgrade
from shared.embedded.ports import LOOPBACK, free_port
from shared.embedded.postgres import Postgres
from tests.deploy.conftest import BOOTSTRAP_KEY, SLOTS, WORKERS, Watched
from tests.support.disks import move_log, small_disk
from tests.support.faults import Store, connected
from tests.support.memory import memory_limit
from tests.support.receiver import HANG, Receiver

pytestmark = pytest.mark.timeout(240)

SUM = {"type": "simple_calculation", "input": {"a": 2, "b": 3, "operation": "add"}}
OVERDUE_SECONDS = 120.0
LATER_THAN_MEANT = 6
AGE = "UPDATE schedules SET last_run = now() - $1::interval, enabled = $2 WHERE name = 'cleanup_old_tasks'"


async def test_workers_that_are_killed_are_missed_and_their_tasks_taken_back(watched: Watched) -> None:
    dead = ("NoWorkers", "WorkersMissing", "WorkerDeclaredDead", "TasksRescued", "TargetDown", "QueueLong")
    async with watched.expecting(*dead), watched.client() as client:
        running = await client.submit("sleep", {"value": 5})
        await watched.until_running(running.id)
        await watched.kill_workers()
        await client.submit_batch([SUM] * 150)
        await watched.seen(*dead)
        await watched.start_workers()
        assert (await client.wait(running.id, timeout=60)).status == "COMPLETED"


async def test_tasks_that_wait_for_slow_ones_start_late(watched: Watched) -> None:
    async with watched.expecting("TaskLatencyHigh"), watched.client() as client:
        slow = {"type": "sleep", "input": {"value": LATER_THAN_MEANT}}
        await client.submit_batch([slow] * (2 * WORKERS * SLOTS))
        await watched.seen("TaskLatencyHigh")


async def test_tasks_that_fail_are_told_of(watched: Watched) -> None:
    async with watched.expecting("TaskSuccessLow"), watched.client() as client:
        await client.submit_batch([{"type": "fatal", "input": {}}] * 12)
        await watched.seen("TaskSuccessLow")


async def test_a_task_that_kills_its_workers_is_called_poison(watched: Watched) -> None:
    async with watched.expecting("TaskPoisoned"), watched.client() as client:
        poison = await client.submit("kill_worker", {})
        await watched.seen("TaskPoisoned", timeout=90)
        error = (await client.wait(poison.id, timeout=60)).error
        assert error is not None
        assert error.type == "poison"


async def test_the_result_of_a_run_that_lost_its_lease_is_refused(watched: Watched) -> None:
    async with (
        watched.expecting("ResultsFenced"),
        watched.client() as client,
        connected(watched.database_url) as database,
    ):
        task = await client.submit("sleep", {"value": 2})
        await watched.until_running(task.id)
        await database.execute("UPDATE tasks SET lease = gen_random_uuid() WHERE id = $1", UUID(task.id))
        await watched.seen("ResultsFenced")


async def test_a_redis_that_hangs_is_told_of(watched: Watched) -> None:
    async with watched.expecting("RedisDown"):
        watched.valkey.suspend()
        try:
            await watched.seen("RedisDown")
        finally:
            watched.valkey.resume()


async def test_a_postgresql_that_hangs_is_told_of_by_workers_and_then_by_the_api(watched: Watched) -> None:
    async with watched.expecting("DatabaseUnreachable", "ApiUnavailable"):
        watched.proxy.hang()
        try:
            # Without its key's row the API tells Prometheus nothing, either: only afterwards, and not too late.
            assert set(await watched.ask("/api/v1/tasks", times=20)) == {503}
            watched.proxy.flow()
            await watched.seen("ApiUnavailable")
            watched.proxy.hang()
            await watched.seen("DatabaseUnreachable")
        finally:
            watched.proxy.flow()


async def test_a_pool_with_no_connection_left_is_told_of(watched: Watched) -> None:
    async with watched.expecting("DatabasePoolExhausted"), connected(watched.database_url) as database:
        async with database.transaction():
            await database.execute("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
            assert 503 in await watched.ask("/api/v1/tasks", times=12)
        await watched.seen("DatabasePoolExhausted")


async def test_a_full_disk_of_postgresql_is_told_of(watched: Watched, tmp_path: Path) -> None:
    """By an API on a PostgreSQL of its own, whose disk is a small one."""
    with small_disk(tmp_path / "data", 96) as disk:
        server = Postgres(disk.path / "postgres", settings={"fsync": "off"})
        move_log(server, tmp_path / "log")
        async with Store(server) as store:
            await upgrade(store.url)
            # The key of Prometheus is none of this database's.
            settings = {"DATABASE_URL": store.url, "TASKRUNNER_METRICS_PUBLIC": "true"}
            api = await watched.start_api(port := free_port(), **settings)
            async with watched.prometheus.watching(api=[watched.port, port]), watched.expecting("DatabaseDiskFull"):
                disk.fill()
                await _refused(f"http://{LOOPBACK}:{port}")
                await watched.seen("DatabaseDiskFull")
                disk.free()
            api.reap()


async def _refused(url: str) -> None:
    headers = {"Authorization": f"Bearer {BOOTSTRAP_KEY}"}
    http = httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False)
    async with asyncio.timeout(60), http:
        while (await http.post("/api/v1/tasks/batch", json={"tasks": [SUM] * 500})).status_code != 503:
            pass


async def test_a_table_that_is_gone_is_told_of_by_the_api_and_by_the_chore(watched: Watched) -> None:
    broken = ("ApiErrors", "ChoresFailing")
    async with watched.expecting(*broken), connected(watched.database_url) as database:
        await database.execute("ALTER TABLE operations RENAME TO operations_away")
        try:
            assert 500 in await watched.ask("/api/v1/operations", times=10)
            await watched.seen(*broken)
        finally:
            await database.execute("ALTER TABLE operations_away RENAME TO operations")


async def test_a_cleanup_that_does_not_end_is_told_of(watched: Watched) -> None:
    async with watched.expecting("CleanupStalled"), connected(watched.database_url) as database:
        await database.execute(AGE, timedelta(hours=31), False)
        await watched.seen("CleanupStalled")
        await database.execute(AGE, timedelta(), True)


async def test_receivers_that_hang_or_refuse_are_told_of(watched: Watched) -> None:
    await watched.prometheus.quiet("WebhooksOverdue", "WebhooksFailing")
    async with Receiver(always=HANG) as silent, Receiver(always=500) as broken, watched.client() as client:
        await client.submit_batch([{**SUM, "callback_url": silent.url}] * 100)
        await client.submit_batch([{**SUM, "callback_url": broken.url}] * 20)
        await watched.seen("WebhooksOverdue", "WebhooksFailing", timeout=OVERDUE_SECONDS)
    await watched.prometheus.quiet("WebhooksOverdue")


async def test_a_process_near_its_memory_limit_is_told_of(watched: Watched) -> None:
    with memory_limit(f"taskrunner-deploy-{os.getpid()}", 2_000) as limit:
        worker = watched.worker(port := free_port())
        limit.hold(worker.pid)
        await worker.wait_for_http(f"http://{LOOPBACK}:{port}/health/ready", timeout=60)
        async with (
            watched.prometheus.watching(worker=[*watched.worker_ports, port]),
            watched.expecting("MemoryHigh"),
        ):
            limit.tighten(0.85)
            await watched.seen("MemoryHigh")
            limit.tighten(0.3)
        worker.reap()


async def test_an_event_loop_that_stands_still_is_told_of(watched: Watched) -> None:
    async with watched.expecting("EventLoopLagging"), watched.client() as client:
        await client.submit("hold_interpreter", {"value": 3})
        await watched.seen("EventLoopLagging")


async def test_a_job_without_targets_is_told_of(watched: Watched) -> None:
    async with watched.expecting("ScrapeMissing"), watched.prometheus.watching(worker=[]):
        await watched.seen("ScrapeMissing")
