"""An emptied Redis with arq's own client, and workers over it; a test that leaves a key living for ever fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.worker import Function, func

from shared.children import end
from tests.integration.broker.conftest import lasting_keys
from tests.support.servers import Servers
from worker.engine.jobs import JobWorker
from worker.engine.jobs.keys import WAKE_SUFFIX


def named(**functions: Any) -> list[Function]:
    """Functions registered under the names given."""
    return [func(function, name=name) for name, function in functions.items()]


async def eventually(holds: Callable[[], Awaitable[bool]], timeout: float = 15.0) -> None:
    """Return once ``holds`` does."""
    deadline = time.monotonic() + timeout
    while not await holds():
        assert time.monotonic() < deadline, f"not within {timeout:g} s"
        await asyncio.sleep(0.01)


async def reached(event: asyncio.Event, timeout: float = 15.0) -> None:
    async with asyncio.timeout(timeout):
        await event.wait()


class Bench:
    """Makes workers over one Redis, and ends them."""

    def __init__(self, settings: RedisSettings) -> None:
        self.settings = settings
        self._workers: list[JobWorker] = []
        self._running: list[tuple[JobWorker, asyncio.Task[None]]] = []

    def worker(self, *functions: Function, **options: Any) -> JobWorker:
        given: dict[str, Any] = {"redis_settings": self.settings, "burst": True, "handle_signals": False}
        worker = JobWorker(functions, **given | options)
        self._workers.append(worker)
        return worker

    async def burst(self, *functions: Function, **options: Any) -> JobWorker:
        """Run all there is, and end."""
        worker = self.worker(*functions, **options)
        async with asyncio.timeout(30):
            await worker.async_run()
        return worker

    def start(self, *functions: Function, **options: Any) -> JobWorker:
        """A worker that goes on until the test ends."""
        worker = self.worker(*functions, burst=False, **options)
        self._running.append((worker, asyncio.create_task(worker.async_run())))
        return worker

    async def opened(self, worker: JobWorker) -> None:
        """Return once it has connected: a client that is cancelled while it connects is dropped unclosed."""
        [running] = [running for one, running in self._running if one is worker]
        await eventually(partial(_is_open, worker, running))

    async def close(self) -> None:
        for worker, _ in self._running:
            await self.opened(worker)
        for worker in self._workers:
            async with asyncio.timeout(20):
                await worker.close()
        await end(*(running for _, running in self._running))


async def _is_open(worker: JobWorker, running: asyncio.Task[None]) -> bool:
    return "redis" in worker.ctx or running.done()


@pytest.fixture
def where(servers: Servers) -> Iterator[RedisSettings]:
    """An empty Redis database."""
    with servers.lend_redis() as url:
        settings = RedisSettings.from_dsn(url)
        settings.conn_timeout = 10  # arq drops a connection that took longer, unclosed
        yield settings


@pytest_asyncio.fixture
async def redis(where: RedisSettings) -> AsyncIterator[ArqRedis]:
    """Stock arq's client, with its default serialiser."""
    client = await create_pool(where)
    yield client
    leaked = {key for key in await lasting_keys(client) if not key.endswith(WAKE_SUFFIX)} - {"arq:queue"}
    await client.aclose(close_connection_pool=True)
    assert leaked == set(), "every key but the queues has a time to live"


@pytest_asyncio.fixture
async def bench(where: RedisSettings, redis: ArqRedis) -> AsyncIterator[Bench]:
    made = Bench(where)
    yield made
    await made.close()
