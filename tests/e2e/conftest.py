"""The service as users run it: a real API and a real worker as processes of their own, on the run's servers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from service.client import AsyncClient
from shared.embedded.ports import free_port
from tests.support.processes import Child, Processes
from tests.support.servers import Servers
from tests.support.smtp_server import SmtpServer


@dataclass
class Service:
    """One service: its stores' addresses as an environment, and how to start its processes."""

    env: dict[str, str]
    port: int
    processes: Processes
    workers: list[Child] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start_api(self) -> Child:
        api = self.processes.api(self.port, self.env)
        await api.wait_for_http(f"{self.url}/health/ready", timeout=60)
        return api

    async def start_worker(self, **settings: str) -> Child:
        """Start a worker with extra environment; ready when its health port says so."""
        port = free_port()
        child = self.processes.worker({**self.env, "TASKRUNNER_WORKER_HEALTH_PORT": str(port), **settings})
        await child.wait_for_http(f"http://127.0.0.1:{port}/health/ready", timeout=60)
        self.workers.append(child)
        return child

    def client(self) -> AsyncClient:
        return AsyncClient(self.url, timeout=60)


def environment(database_url: str, redis_url: str, result_url: str, folder: Path) -> dict[str, str]:
    """What a process of a service needs to know. Backoffs are a thousandth of the real ones."""
    return {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "REDIS_RESULT_URL": result_url,
        "TASKRUNNER_STORAGE_DIR": str(folder / "files"),
        "TASKRUNNER_SECRET_KEY": "a secret of the tests",
        "TASKRUNNER_RETRY_BACKOFF_SCALE": "0.001",
        "TASKRUNNER_LOG_FORMAT": "json",
        "TASKRUNNER_MAX_TASKS_PER_WORKER": "0",
    }


@pytest.fixture
def own_service(servers: Servers, tmp_path: Path, processes: Processes) -> Iterator[Service]:
    """A service with stores of its own, nothing started yet: for tests that break things."""
    with servers.lend_database() as database, servers.lend_redis() as redis, servers.lend_redis() as results:
        yield Service(environment(database, redis, results, tmp_path), free_port(), processes)
        processes.reap_all()


@pytest_asyncio.fixture(scope="session")
async def smtp() -> AsyncIterator[SmtpServer]:
    async with SmtpServer() as server:
        yield server


@pytest_asyncio.fixture(scope="session")
async def service(
    servers: Servers, smtp: SmtpServer, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Service]:
    """A running API and worker, shared by the tests that only use them."""
    processes = Processes()
    with ExitStack() as lent:
        database = lent.enter_context(servers.lend_database())
        redis, results = lent.enter_context(servers.lend_redis()), lent.enter_context(servers.lend_redis())
        lent.callback(processes.reap_all)
        env = environment(database, redis, results, tmp_path_factory.mktemp("service"))
        env |= {
            "TASKRUNNER_SMTP_URL": f"smtp://127.0.0.1:{smtp.port}",
            "TASKRUNNER_TASK_MODULES": "tests.support.own_tasks",
            "TASKRUNNER_OUTBOUND_ALLOW": "127.0.0.1",
        }
        running = Service(env, free_port(), processes)
        await running.start_api()
        await running.start_worker()
        yield running


@pytest_asyncio.fixture
async def client(service: Service) -> AsyncIterator[AsyncClient]:
    async with service.client() as opened:
        yield opened


def facts_of(lines: list[str]) -> list[Mapping[str, object]]:
    """The JSON log lines among a child's output."""
    return [json.loads(line) for line in lines if line.startswith("{")]
