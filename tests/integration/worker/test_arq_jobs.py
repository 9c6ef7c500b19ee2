"""A user's own arq functions in our worker: both sources served, and neither ends with the other's failure."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any

import pytest
import pytest_asyncio
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.cron import cron
from arq.jobs import Job, JobStatus
from arq.worker import Retry

from shared.domain.states import Status
from shared.domain.task import Task
from shared.queue.lookup import get_task
from shared.queue.planning import Request, plan
from shared.queue.stores import Stores
from shared.queue.submit import submit
from shared.registry import discover
from shared.settings import Settings
from tests.integration.jobs.conftest import named, reached
from tests.integration.worker.conftest import TENANT, eventually
from tests.integration.worker.test_runtime import OWN, running
from tests.support.proxy import Proxy
from worker.engine import arq_jobs
from worker.engine.jobs import pack, pack_json, unpack, unpack_json
from worker.health import _state
from worker.runtime import Runtime

Their = Callable[..., str]
UNPICKLED: list[str] = []


async def add(ctx: dict[str, Any], a: int, b: int = 0) -> int:
    return a + b


def mark(text: str) -> None:
    UNPICKLED.append(text)


class Evil:
    """Unpickling it leaves a mark."""

    def __reduce__(self) -> tuple[Any, ...]:
        return mark, ("unpickled",)


class Waiting:
    """A job that runs until it may end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.may_end = asyncio.Event()
        self.ignores_its_cancel = False

    async def __call__(self, ctx: dict[str, Any]) -> str:
        self.begun.set()
        while not self.may_end.is_set():
            try:
                await reached(self.may_end, 60)
            except asyncio.CancelledError:
                if not self.ignores_its_cancel:
                    raise
        return "done"

    @property
    def function(self) -> Any:
        async def wait(ctx: dict[str, Any]) -> str:
            return await self(ctx)

        return wait


@pytest.fixture
def their(monkeypatch: pytest.MonkeyPatch) -> Their:
    """The name of a user's settings class with the attributes given."""

    def make(**given: Any) -> str:
        module = ModuleType("their_jobs")
        monkeypatch.setattr(module, "WorkerSettings", type("WorkerSettings", (), given), raising=False)
        monkeypatch.setitem(sys.modules, "their_jobs", module)
        return "their_jobs.WorkerSettings"

    return make


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arq_jobs, "FIRST_PAUSE_SECONDS", 0.05)


@pytest_asyncio.fixture
async def queue(settings: Settings, stores: Stores) -> AsyncIterator[ArqRedis]:
    """Stock arq's client, as the documentation tells users to make it."""
    where = RedisSettings.from_dsn(settings.redis_url.get_secret_value())
    where.conn_timeout = 10
    client = await create_pool(where, job_serializer=pack, job_deserializer=unpack)
    yield client
    await client.aclose(close_connection_pool=True)


async def enqueued(queue: ArqRedis, name: str, *args: Any, **kwargs: Any) -> Job:
    job = await queue.enqueue_job(name, *args, **kwargs)
    assert job is not None
    return job


async def result(job: Job) -> Any:
    return await job.result(timeout=20, poll_delay=0.02)


async def submitted(stores: Stores, value: float = 0.0) -> Task:
    planned = plan(discover((OWN,)), stores.settings, Request("sleep", {"value": value}))
    return (await submit(stores, TENANT, [planned]))[0]


async def completed(stores: Stores, task: Task) -> None:
    async def is_completed() -> bool:
        return (await get_task(stores, TENANT, task.id)).status == Status.COMPLETED

    await eventually(is_completed, 20)


async def serves(runtime: Runtime, status: str = "ok") -> None:
    async def says_so() -> bool:
        assert runtime.arq_jobs is not None
        return bool(runtime.arq_jobs.health()["status"] == status)

    await eventually(says_so, 20)


async def test_tasks_and_jobs_run_side_by_side(
    settings: Settings, stores: Stores, queue: ArqRedis, their: Their
) -> None:
    ticked = asyncio.Event()

    async def tick(ctx: dict[str, Any]) -> None:
        ticked.set()

    at_start = cron(tick, name="tick", month=1, day=1, hour=1, run_at_startup=True)
    async with running(settings, arq_settings=their(functions=[add], cron_jobs=[at_start])) as (runtime, _):
        task, job = await submitted(stores), await enqueued(queue, "add", 40, b=2)
        assert await result(job) == 42
        assert await job.status() == JobStatus.complete
        await reached(ticked)
        await completed(stores, task)
        told = await _state(runtime)
    assert told["status"] == "ok"
    assert told["components"]["arq_jobs"]["queues"] == ["arq:queue"]
    assert told["components"]["arq_jobs"]["failed"] == 0
    assert await queue.zcard("arq:queue") == 0


async def test_several_queues_retries_delays_and_aborts_work_as_in_a_worker_of_their_own(
    settings: Settings, stores: Stores, queue: ArqRedis, their: Their
) -> None:
    waiting = Waiting()

    async def twice(ctx: dict[str, Any]) -> int:
        if ctx["job_try"] == 1:
            raise Retry(defer=0.05)
        return int(ctx["job_try"])

    given = their(
        functions=named(add=add, twice=twice, wait=waiting.function), queues=["first", "second"], allow_abort_jobs=True
    )
    async with running(settings, arq_settings=given):
        second = await enqueued(queue, "add", 1, _queue_name="second", _defer_by=0.1)
        retried = await enqueued(queue, "twice", _queue_name="first")
        long = await enqueued(queue, "wait", _queue_name="second")
        assert (await result(second), await result(retried)) == (1, 2)
        await reached(waiting.begun)
        assert await long.abort(timeout=10, poll_delay=0.02) is True


async def test_a_pickled_job_is_refused_unread(
    settings: Settings, stores: Stores, queue: ArqRedis, their: Their
) -> None:
    queue.job_serializer = None  # arq's default
    async with running(settings, arq_settings=their(functions=[add])) as (runtime, _):
        job = await enqueued(queue, "add", Evil())

        async def is_over() -> bool:
            return await job.status() == JobStatus.complete

        await eventually(is_over, 20)
        assert runtime.arq_jobs is not None
        assert runtime.arq_jobs.health()["failed"] == 1
    assert UNPICKLED == []


async def test_payloads_may_be_json(settings: Settings, stores: Stores, queue: ArqRedis, their: Their) -> None:
    queue.job_serializer, queue.job_deserializer = pack_json, unpack_json
    given = their(functions=[add], job_serializer=pack_json, job_deserializer=unpack_json)
    async with running(settings, arq_settings=given):
        job = await enqueued(queue, "add", 40, b=2)
        assert await result(job) == 42
        assert b'"r":42' in (await queue.get(f"arq:result:{job.job_id}") or b"")


async def test_a_failure_of_theirs_is_tried_again_and_ends_no_task(
    settings: Settings, stores: Stores, queue: ArqRedis, their: Their
) -> None:
    begun: list[int] = []

    async def begin(ctx: dict[str, Any]) -> None:
        begun.append(len(begun))
        if len(begun) < 4:
            raise ZeroDivisionError("a hook's")

    async def broken(ctx: dict[str, Any]) -> None:
        raise ZeroDivisionError("a hook's")

    hooks = {"on_startup": begin, "on_job_end": broken, "after_job_end": broken, "on_shutdown": broken}
    async with running(settings, arq_settings=their(functions=[add], **hooks)) as (_, serving):
        task, job = await submitted(stores), await enqueued(queue, "add", 1)
        await completed(stores, task)
        assert await result(job) == 1
        assert not serving.done()
    assert len(begun) == 4


async def test_a_redis_that_is_away_holds_up_no_task_and_is_waited_for(
    settings: Settings, stores: Stores, queue: ArqRedis, their: Their
) -> None:
    async with Proxy.before(settings.redis_url.get_secret_value()) as proxy:
        proxy.refuse()
        where = RedisSettings.from_dsn(proxy.url)
        where.conn_retries = 0
        async with running(settings, arq_settings=their(functions=[add], redis_settings=where)) as (runtime, _):
            job = await enqueued(queue, "add", 1)
            await completed(stores, await submitted(stores))
            await serves(runtime, "down")
            assert (await _state(runtime))["status"] == "degraded"
            await proxy.accept()
            assert await result(job) == 1
            proxy.refuse()
            proxy.cut()
            await serves(runtime, "down")
            await completed(stores, await submitted(stores))
            await proxy.accept()
            await serves(runtime)
            assert await result(await enqueued(queue, "add", 2)) == 2


async def test_a_drain_lets_jobs_end_and_begins_no_more(
    settings: Settings, stores: Stores, queue: ArqRedis, their: Their
) -> None:
    waiting, closed = Waiting(), asyncio.Event()

    async def close(ctx: dict[str, Any]) -> None:
        closed.set()

    given = their(functions=named(wait=waiting.function), on_shutdown=close)
    async with running(settings, arq_settings=given, shutdown_grace=30.0) as (runtime, serving):
        job = await enqueued(queue, "wait")
        await reached(waiting.begun)
        runtime.drain()
        later = await enqueued(queue, "wait")
        await asyncio.sleep(0.3)  # longer than a poll: it had its chance
        assert not serving.done()
        waiting.may_end.set()
        async with asyncio.timeout(15):
            await serving
        assert await job.result(timeout=1) == "done"
        assert await later.status() == JobStatus.queued
        assert closed.is_set()


async def test_asked_twice_the_jobs_are_given_back_at_once(
    settings: Settings, stores: Stores, queue: ArqRedis, their: Their
) -> None:
    waiting, cleaned = Waiting(), asyncio.Event()

    async def tidy(ctx: dict[str, Any]) -> None:
        try:
            await waiting(ctx)
        finally:
            await asyncio.sleep(0.05)
            cleaned.set()

    async with running(settings, arq_settings=their(functions=named(tidy=tidy)), shutdown_grace=60.0) as (
        runtime,
        serving,
    ):
        job = await enqueued(queue, "tidy")
        await reached(waiting.begun)
        runtime.drain()
        runtime.drain()
        async with asyncio.timeout(15):
            await serving
        assert cleaned.is_set(), "it was cancelled once, and could clean up"
        assert await job.status() == JobStatus.queued
        assert await queue.get(f"arq:in-progress:{job.job_id}") is None


async def test_a_job_that_ignores_its_cancel_holds_up_no_stop(
    settings: Settings, stores: Stores, queue: ArqRedis, their: Their, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arq_jobs, "CANCEL_GRACE_SECONDS", 0.3)
    waiting = Waiting()
    waiting.ignores_its_cancel = True
    async with running(settings, arq_settings=their(functions=named(wait=waiting.function))) as (runtime, serving):
        await enqueued(queue, "wait")
        await reached(waiting.begun)
        runtime.drain()
        async with asyncio.timeout(15):
            await serving
    waiting.may_end.set()
    await asyncio.sleep(0)


async def test_jobs_count_for_recycling(settings: Settings, stores: Stores, queue: ArqRedis, their: Their) -> None:
    async with running(settings, arq_settings=their(functions=[add]), max_tasks_per_worker=3) as (runtime, serving):
        jobs = [await enqueued(queue, "add", n) for n in range(3)]
        assert [await result(job) for job in jobs] == [0, 1, 2]
        async with asyncio.timeout(15):
            await serving
        assert runtime.state == "draining"


async def test_a_burst_serves_both_and_ends(settings: Settings, stores: Stores, queue: ArqRedis, their: Their) -> None:
    task, jobs = await submitted(stores), [await enqueued(queue, "add", n) for n in range(5)]
    changed = settings.model_copy(update={"task_modules": (OWN,), "arq_settings": their(functions=[add])})
    async with Runtime(changed, burst=True) as runtime, asyncio.timeout(30):
        await runtime.run()
    assert [await job.result(timeout=1) for job in jobs] == list(range(5))
    assert (await get_task(stores, TENANT, task.id)).status == Status.COMPLETED


async def test_a_burst_whose_jobs_fail_to_start_says_so_when_the_tasks_have_run(
    settings: Settings, stores: Stores, queue: ArqRedis, their: Their
) -> None:
    async def begin(ctx: dict[str, Any]) -> None:
        raise ZeroDivisionError("a hook's")

    task = await submitted(stores)
    given = their(functions=[add], on_startup=begin)
    changed = settings.model_copy(update={"task_modules": (OWN,), "arq_settings": given})
    async with Runtime(changed, burst=True) as runtime, asyncio.timeout(30):
        with pytest.raises(ZeroDivisionError):
            await runtime.run()
    assert (await get_task(stores, TENANT, task.id)).status == Status.COMPLETED
