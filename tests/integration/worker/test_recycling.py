"""A real worker process that has run its number of tasks: it drains, exits 0, and loses none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from shared.domain.states import AttemptOutcome, Status
from shared.domain.task import Task, TaskFilter
from shared.queue.lookup import list_attempts, list_tasks
from shared.queue.planning import Request, plan
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.registry import discover
from shared.settings import Settings, load_settings
from tests.integration.worker.conftest import TENANT, eventually
from tests.support.processes import Processes
from tests.support.servers import Servers

OWN = "tests.support.own_tasks"
COUNT = 24


@pytest_asyncio.fixture
async def apart(servers: Servers, settings: Settings, tmp_path: Path) -> AsyncIterator[Stores]:
    """Stores of this test's own: another worker's tasks would be counted, too."""
    with servers.lend_database() as database, servers.lend_redis() as redis, servers.lend_redis() as results:
        own = load_settings(
            _env_file=None, database_url=database, redis_url=redis, redis_result_url=results, storage_dir=tmp_path
        )
        async with Stores(own, pool_size=2, overflow=2, application="tests") as opened:
            yield opened


def environment(stores: Stores, **more: str) -> dict[str, str]:
    settings = stores.settings
    return {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "REDIS_RESULT_URL": settings.result_url,
        "TASKRUNNER_STORAGE_DIR": str(settings.storage_dir),
        "TASKRUNNER_TASK_MODULES": OWN,
        "TASKRUNNER_CONCURRENCY": "2",
        "TASKRUNNER_LOG_FORMAT": "json",
        **more,
    }


async def by_status(stores: Stores) -> dict[Status, list[Task]]:
    found: dict[Status, list[Task]] = {}
    tasks, _ = await list_tasks(stores, TENANT, TaskFilter(), limit=200)
    for task in tasks:
        found.setdefault(task.status, []).append(task)
    return found


async def test_a_recycled_worker_exits_and_the_next_one_goes_on(apart: Stores, processes: Processes) -> None:
    registry = discover((OWN,))
    planned = [plan(registry, apart.settings, Request("sleep", {"value": 0.3})) for _ in range(COUNT)]
    await submit(apart, TENANT, planned)

    first = processes.worker(environment(apart, TASKRUNNER_MAX_TASKS_PER_WORKER="3"))
    assert await first.wait(40) == 0, first.output
    assert "worker_recycled" in first.output
    left = await by_status(apart)
    assert Status.PROCESSING not in left, "it drained before it went"
    assert 3 <= len(left[Status.COMPLETED]) < COUNT
    assert len(left[Status.COMPLETED]) + len(left[Status.PENDING]) == COUNT

    second = processes.worker(environment(apart, TASKRUNNER_MAX_TASKS_PER_WORKER="0"))

    async def all_done() -> bool:
        return len((await by_status(apart)).get(Status.COMPLETED, [])) == COUNT

    await eventually(all_done, 40)
    assert second.returncode is None
    for task in (await by_status(apart))[Status.COMPLETED]:
        attempts = await list_attempts(apart, TENANT, task.id)
        assert [attempt.outcome for attempt in attempts] == [AttemptOutcome.COMPLETED], "run once, by one of them"
