"""The worker's life: health, signals, arq's command line, and beginning anew on one object."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
import uvloop
from arq.connections import ArqRedis, RedisSettings
from arq.worker import async_check_health, get_kwargs

from tests.integration.jobs.conftest import Bench, eventually, named
from tests.integration.jobs.test_jobs import add, enqueued
from tests.support.processes import Child, Processes
from worker.engine.jobs import OUTAGE, JobWorker
from worker.engine.jobs.exchange import Ask
from worker.engine.jobs.line import Line

CLI = "tests.support.arq_jobs.WorkerSettings"


def url_of(where: RedisSettings) -> str:
    return f"redis://{where.username or ''}:{where.password or ''}@{where.host}:{where.port}/{where.database}"


def arq(processes: Processes, where: RedisSettings, *options: str, **env: str) -> Child:
    return processes.python("-m", "arq", CLI, *options, env={"REDIS_URL": url_of(where), "PYTHONPATH": ".", **env})


async def ledger(redis: ArqRedis) -> list[str]:
    return [line.decode() for line in await cast("Awaitable[list[bytes]]", redis.lrange("ledger", 0, -1))]


async def noted(redis: ArqRedis, what: str) -> None:
    async def is_noted() -> bool:
        return any(line.startswith(what) for line in await ledger(redis))

    await eventually(is_noted, 30)


# arq's own check closes its client by a name that redis-py renamed.
@pytest.mark.filterwarnings("ignore:Call to deprecated close:DeprecationWarning")
async def test_a_running_worker_is_healthy_and_an_ended_one_is_not(
    redis: ArqRedis, bench: Bench, where: RedisSettings
) -> None:
    worker = bench.start(*named(add=add), health_check_interval=1, health_check_key="health")

    async def is_healthy() -> bool:
        return await async_check_health(where, "health") == 0

    await eventually(is_healthy)
    assert b"j_complete=0 j_failed=0 j_retried=0 j_ongoing=0 queued=0" in (await redis.get("health") or b"")
    assert 0 < await redis.pttl("health") <= 2_000
    await worker.close()
    assert await async_check_health(where, "health") == 1


async def test_arqs_command_line_passes_its_options_and_ours() -> None:
    class Settings:
        functions = (add,)
        queues = ("a", "b")
        lease = 3
        max_jobs = 7
        unknown = 1

    import arq.worker  # noqa: PLC0415

    before = arq.worker.Worker
    arq.worker.Worker = JobWorker  # type: ignore[misc]
    try:
        given: dict[str, Any] = dict(get_kwargs(dict(vars(Settings))))
    finally:
        arq.worker.Worker = before  # type: ignore[misc]
    assert given == {"functions": (add,), "queues": ("a", "b"), "lease": 3, "max_jobs": 7}


async def test_the_command_line_runs_a_burst(redis: ArqRedis, where: RedisSettings, processes: Processes) -> None:
    jobs = [await enqueued(redis, "work") for _ in range(20)]
    child = arq(processes, where, "--burst")
    assert await child.wait(60) == 0, child.output
    assert [await job.result(timeout=5) for job in jobs] == [1] * 20
    await redis.delete("ledger")


async def test_a_signal_gives_what_runs_back_at_once(
    redis: ArqRedis, where: RedisSettings, processes: Processes
) -> None:
    job = await enqueued(redis, "work", 60)
    child = arq(processes, where)
    await noted(redis, "start")
    check = arq(processes, where, "--check")
    assert await check.wait(30) == 0, check.output
    child.send(signal.SIGTERM)
    assert await child.wait(20) == 0, child.output
    assert not await redis.exists(f"arq:in-progress:{job.job_id}")
    assert await redis.get(f"arq:retry:{job.job_id}") == b"1"
    assert await redis.zscore("arq:queue", job.job_id)
    await redis.delete("ledger")


async def test_a_signal_may_wait_for_what_runs_and_nothing_new_starts(
    redis: ArqRedis, where: RedisSettings, processes: Processes
) -> None:
    job = await enqueued(redis, "work", 1)
    child = arq(processes, where, COMPLETION_WAIT="20")
    await noted(redis, "start")
    child.send(signal.SIGTERM)
    await child.wait_for_line("to be completed")
    later = await enqueued(redis, "work")
    assert await child.wait(30) == 0, child.output
    assert await job.result(timeout=5) == 1
    assert not any(later.job_id in line for line in await ledger(redis))
    await redis.delete("ledger")


async def test_a_worker_may_run_again_after_it_was_closed(redis: ArqRedis, bench: Bench) -> None:
    # As arq's --watch does.
    worker = bench.worker(*named(add=add), burst=False)
    for n in range(2):
        running = asyncio.create_task(worker.async_run())
        job = await enqueued(redis, "add", n)
        assert await job.result(timeout=10, poll_delay=0.02) == n
        worker.handle_sig(signal.SIGUSR1)
        await worker.close()
        await asyncio.wait([running], timeout=10)
        assert running.done()


def test_a_connection_that_was_reset_is_waited_out_on_the_workers_loop_too(where: RedisSettings) -> None:
    """uvloop meets a write to one with RuntimeError: that ended the part that runs the jobs, and each of them."""

    async def asked() -> None:
        worker = JobWorker(named(work=_nothing), redis_settings=where, burst=True, handle_signals=False)
        await worker.async_run()
        line = Line(worker.pool, worker.queues)
        line.give_up_at = 0.0  # at once
        try:
            await line.exchange(Ask(number=1, token="t:1", want=0, lease_ms=1_000, order=[1]))
            connection: Any = line._connection
            connection._writer.transport.abort()
            await connection._reader.read()
            with pytest.raises(OUTAGE):
                await line.exchange(Ask(number=2, token="t:2", want=0, lease_ms=1_000, order=[1]))
        finally:
            await line.close()
            await worker.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(uvloop.run, asked()).result(30)


async def _nothing(_ctx: dict[str, Any]) -> None: ...
