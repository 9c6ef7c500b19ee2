"""Plain arq jobs while workers die, Redis restarts, is flushed, hangs, and answers are lost: none is lost with them."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from arq.connections import ArqRedis, RedisSettings, create_pool

from shared.embedded.valkey import Valkey
from tests.integration.jobs.conftest import eventually
from tests.support.faults import Recoveries, Store
from tests.support.processes import Child, Processes
from tests.support.proxy import Proxy
from tests.support.servers import Servers

CLI = "tests.support.arq_jobs.WorkerSettings"
TAKEN_OVER_SECONDS = 12.0
"""A lease of ten seconds, and a poll."""


class Scene:
    """One Redis, its jobs, and the ledger of their starts and ends, which lies in another Redis."""

    def __init__(self, redis: ArqRedis, ledger: ArqRedis, urls: tuple[str, str], processes: Processes) -> None:
        self.redis = redis
        self._ledger = ledger
        self._urls = urls
        self._processes = processes

    def worker(self, url: str = "", **env: str) -> Child:
        given = {"REDIS_URL": url or self._urls[0], "LEDGER_URL": self._urls[1], "PYTHONPATH": ".", **env}
        return self._processes.python("-m", "arq", CLI, env=given)

    async def enqueue(self, count: int, seconds: float = 0.0) -> list[str]:
        jobs = [await self.redis.enqueue_job("work", seconds) for _ in range(count)]
        return [job.job_id for job in jobs if job is not None]

    async def noted(self, what: str) -> Counter[str]:
        """How often each job's start or end was noted."""
        lines = await cast("Awaitable[list[bytes]]", self._ledger.lrange("ledger", 0, -1))
        return Counter(line.split()[1].decode() for line in lines if line.startswith(what.encode()))

    async def until(self, what: str, ids: list[str], timeout: float = 60.0) -> None:
        async def are_noted() -> bool:
            return set(ids) <= set(await self.noted(what))

        await eventually(are_noted, timeout)

    async def results(self, ids: list[str], timeout: float = 60.0) -> list[bytes | None]:
        """Wait until every job has a result and nothing is left in the queue."""
        keys = [f"arq:result:{job_id}" for job_id in ids]

        async def are_there() -> bool:
            return None not in await self.redis.mget(keys) and not await self.redis.zcard("arq:queue")

        await eventually(are_there, timeout)
        return cast("list[bytes | None]", await self.redis.mget(keys))


@pytest.fixture
def urls(servers: Servers) -> Any:
    with servers.lend_redis() as jobs, servers.lend_redis() as ledger:
        yield jobs, ledger


@pytest_asyncio.fixture
async def scene(urls: tuple[str, str], processes: Processes) -> AsyncIterator[Scene]:
    async with Opened(urls, processes) as made:
        yield made


class Opened:
    """A scene over two Redis URLs."""

    def __init__(self, urls: tuple[str, str], processes: Processes) -> None:
        self._urls = urls
        self._processes = processes
        self._clients: list[ArqRedis] = []

    async def __aenter__(self) -> Scene:
        for url in self._urls:
            settings = RedisSettings.from_dsn(url)
            settings.conn_timeout = 10
            self._clients.append(await create_pool(settings))
        return Scene(self._clients[0], self._clients[1], self._urls, self._processes)

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            await client.aclose(close_connection_pool=True)


async def test_the_jobs_of_a_killed_worker_run_again_when_their_leases_end(
    scene: Scene, recoveries: Recoveries
) -> None:
    first = scene.worker(LEASE="2")
    ids = await scene.enqueue(5, 100)
    await scene.until("start", ids)
    first.send(signal.SIGKILL)
    killed_at = time.monotonic()
    await first.wait()
    scene.worker(LEASE="2")

    async def are_taken_over() -> bool:
        return all(count == 2 for count in (await scene.noted("start")).values())

    await eventually(are_taken_over, 60)
    recoveries.measured("arq worker killed, lease 2 s: taken over", time.monotonic() - killed_at, TAKEN_OVER_SECONDS)


async def test_a_worker_that_stood_still_is_fenced(scene: Scene) -> None:
    frozen = scene.worker(LEASE="2")
    ids = await scene.enqueue(3, 2)
    await scene.until("start", ids)
    frozen.send(signal.SIGSTOP)
    second = scene.worker(LEASE="2")
    await scene.until("end", ids)
    results = await scene.results(ids)
    frozen.send(signal.SIGCONT)
    await frozen.wait_for_line("another worker's now")
    later = await scene.enqueue(5)
    await scene.results(later)
    assert await scene.redis.mget([f"arq:result:{job_id}" for job_id in ids]) == results, "the first end stands"
    assert (frozen.returncode, second.returncode) == (None, None)


async def test_a_flush_ends_no_worker_and_what_runs_gives_its_result(scene: Scene) -> None:
    worker = scene.worker()
    ids = await scene.enqueue(3, 1.5)
    await scene.until("start", ids)
    await scene.redis.flushdb()
    later = await scene.enqueue(20)
    await scene.results([*ids, *later])
    assert set((await scene.noted("start")).values()) == {1}
    assert worker.returncode is None


@pytest.mark.parametrize("persists", [True, pytest.param(False, marks=pytest.mark.chaos)])
async def test_a_restart_of_redis_ends_no_worker(
    urls: tuple[str, str], processes: Processes, recoveries: Recoveries, tmp_path: Path, persists: bool
) -> None:
    kept = {"appendonly": "yes", "appendfsync": "always"} if persists else {"appendonly": "no", "save": '""'}
    store = Store(Valkey(tmp_path / "valkey", settings=kept))
    async with store, Opened((store.url, urls[1]), processes) as scene:
        worker = scene.worker()
        ids = await scene.enqueue(4, 2.0)
        await scene.until("start", ids)
        store.kill()
        await asyncio.sleep(1)
        await store.start()
        back_at = time.monotonic()
        later = await scene.enqueue(10)
        await scene.until("end", later)
        recoveries.measured("Valkey restarted: an arq job has run", time.monotonic() - back_at, TAKEN_OVER_SECONDS)
        await scene.results([*ids, *later])
        assert set((await scene.noted("start")).values()) == {1}
        assert worker.returncode is None


@pytest_asyncio.fixture
async def proxy(urls: tuple[str, str]) -> AsyncIterator[Proxy]:
    async with Proxy.before(urls[0]) as opened:
        yield opened


@pytest.mark.parametrize("what", ["claim", "end"])
async def test_an_exchange_whose_answer_is_lost_is_applied_once(scene: Scene, proxy: Proxy, what: str) -> None:
    # With one slot, and longer than a poll, the next exchange that names the job is the one meant.
    worker = scene.worker(proxy.url, MAX_JOBS="1")
    await scene.results(await scene.enqueue(1))
    if what == "claim":
        proxy.replies.hang()
        ids = await scene.enqueue(1)

        async def is_claimed() -> bool:
            return bool(await scene.redis.exists(f"arq:in-progress:{ids[0]}"))

        await eventually(is_claimed)
    else:
        ids = await scene.enqueue(1, 1)
        await scene.until("start", ids)
        loss = proxy.lose_reply_to(ids[0].encode())
        await loss.held()
    began_at = time.monotonic()
    proxy.cut()
    proxy.flow()
    await scene.results(ids)
    assert time.monotonic() - began_at < 8, "no lease is waited for"
    assert (await scene.noted("start"))[ids[0]] == 1
    assert worker.returncode is None
    assert not [line for line in worker.lines if "another worker's" in line]


@pytest.mark.chaos
@pytest.mark.parametrize("silent", [7, 30])
async def test_a_redis_that_hangs_ends_no_worker(scene: Scene, proxy: Proxy, silent: int) -> None:
    worker = scene.worker(proxy.url)
    await scene.results(await scene.enqueue(3))
    proxy.hang()
    ids = await scene.enqueue(10)
    await asyncio.sleep(silent)
    proxy.flow()
    await scene.results(ids)
    assert set((await scene.noted("start")).values()) == {1}
    assert worker.returncode is None


@pytest.mark.chaos
async def test_workers_killed_again_and_again_lose_no_job(scene: Scene) -> None:
    ids = await scene.enqueue(1_500, 0.02)
    for _ in range(6):
        worker = scene.worker(LEASE="2", MAX_JOBS="20")
        await asyncio.sleep(2.5)
        worker.send(signal.SIGKILL)
        await worker.wait()
    scene.worker(LEASE="2", MAX_JOBS="100")
    await scene.results(ids, 90)
    starts = await scene.noted("start")
    assert set(ids) == set(starts)
    assert sum(starts.values()) <= len(ids) + 6 * 20
