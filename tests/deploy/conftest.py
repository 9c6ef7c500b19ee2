"""A whole service that a real Prometheus watches: two workers that are started again, and stores that can go away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

from service.client import AsyncClient, Unauthorized
from shared.embedded.ports import LOOPBACK, free_port
from shared.embedded.valkey import Valkey
from tests.deploy.prometheus import API, WORKER, Prometheus
from tests.e2e.conftest import environment
from tests.support.faults import Keeper, Store, until_value
from tests.support.processes import ROOT, Child, Processes
from tests.support.proxy import Proxy
from tests.support.servers import Servers

BOOTSTRAP_KEY = "trk_watched1.a-secret-of-the-tests-alone"
WORKERS, SLOTS = 2, 4
SETTINGS = {
    "PYTHONPATH": str(ROOT),
    "TASKRUNNER_TASK_MODULES": "tests.support.own_tasks",
    "TASKRUNNER_OUTBOUND_ALLOW": LOOPBACK,
    "TASKRUNNER_BOOTSTRAP_KEY": BOOTSTRAP_KEY,
    "TASKRUNNER_EXPECTED_WORKERS": str(WORKERS),
    "TASKRUNNER_CONCURRENCY": str(SLOTS),
    # So small that a dozen requests exhaust it.
    "TASKRUNNER_API_POOL_SIZE": "3",
    "TASKRUNNER_API_POOL_OVERFLOW": "0",
}


@dataclass
class Watched:
    """``database_url`` leads to PostgreSQL directly, the service's own way is through ``proxy``."""

    env: dict[str, str]
    database_url: str
    proxy: Proxy
    valkey: Store
    processes: Processes
    prometheus: Prometheus
    port: int = field(default_factory=free_port)
    worker_ports: list[int] = field(default_factory=lambda: [free_port() for _ in range(WORKERS)])
    _workers: list[Keeper] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def client(self) -> AsyncClient:
        return AsyncClient(self.url, BOOTSTRAP_KEY, timeout=60)

    async def ask(self, path: str, times: int = 1) -> list[int]:
        """The statuses of so many requests at once, none repeated."""
        headers = {"Authorization": f"Bearer {BOOTSTRAP_KEY}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, trust_env=False) as http:
            return [answer.status_code for answer in await asyncio.gather(*(http.get(path) for _ in range(times)))]

    async def start_api(self, port: int, **settings: str) -> Child:
        api = self.processes.api(port, {**self.env, **settings})
        await api.wait_for_http(f"http://{LOOPBACK}:{port}/health/ready", timeout=60)
        return api

    def worker(self, port: int) -> Child:
        return self.processes.worker({**self.env, "TASKRUNNER_WORKER_HEALTH_PORT": str(port)})

    async def start_workers(self) -> None:
        """Started again when they end, until they are killed."""
        ready = [f"http://{LOOPBACK}:{port}/health/ready" for port in self.worker_ports]
        self._workers = [
            Keeper(partial(self.worker, port), url) for port, url in zip(self.worker_ports, ready, strict=True)
        ]
        for worker in self._workers:
            await worker.ready()

    async def kill_workers(self) -> None:
        for worker in self._workers:
            await worker.__aexit__(None, None, None)
        self._workers = []

    async def until_running(self, task_id: str) -> None:
        await until_value(self.database_url, "SELECT status FROM tasks WHERE id = $1", UUID(task_id), is_="PROCESSING")

    @asynccontextmanager
    async def expecting(self, *alerts: str) -> AsyncIterator[None]:
        """None of ``alerts`` fires before the block, nor some time after it."""
        await self.prometheus.quiet(*alerts)
        yield
        await self.prometheus.quiet(*alerts)

    async def seen(self, *alerts: str, **given: Any) -> None:
        await self.prometheus.seen(*alerts, **given)


@pytest_asyncio.fixture(scope="session")
async def watched(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """A running service under a running Prometheus, which has a key to read and no more."""
    folder: Path = tmp_path_factory.mktemp("watched")
    processes = Processes()
    async with AsyncExitStack() as opened:
        database_url = opened.enter_context(servers.lend_database())
        valkey = await opened.enter_async_context(Store(Valkey(folder / "valkey", settings={"save": '""'})))
        proxy = await opened.enter_async_context(Proxy.before(database_url))
        opened.callback(processes.reap_all)
        redis = valkey.url.removesuffix("/0")
        env = {**environment(proxy.url, f"{redis}/0", f"{redis}/1", folder), **SETTINGS}
        prometheus = Prometheus(folder / "prometheus")
        whole = Watched(env, database_url, proxy, valkey, processes, prometheus)
        opened.push_async_callback(whole.kill_workers)
        await whole.start_api(whole.port)
        await whole.start_workers()
        prometheus.targets = {API: [whole.port], WORKER: whole.worker_ports}
        await prometheus.start(processes, await _key_to_read(whole))
        yield whole


async def _key_to_read(whole: Watched) -> str:
    """The bootstrap key is stored a moment after the API is ready."""
    async with asyncio.timeout(30), whole.client() as client:
        while True:
            try:
                made = await client.create_key("prometheus", ["read"])
            except Unauthorized:
                await asyncio.sleep(0.2)
            else:
                assert made.key is not None
                return made.key
