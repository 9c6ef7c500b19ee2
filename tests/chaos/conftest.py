"""Faults injected for real: signals to real processes, and stores that go away. Uses the services of the e2e tests."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.embedded.ports import free_port
from tests.e2e.conftest import Service, own_service
from tests.support.checker import violations
from tests.support.evidence import gathered, started_of
from tests.support.facts import Evidence
from tests.support.faults import Keeper, Recoveries, until, until_all_ended
from tests.support.load import Load

__all__ = ["Stage", "own_service", "recoveries", "stage"]

IN_TURN = {
    "test_api_dies",
    "test_postgres_dies",
    "test_rolling_api",
    "test_soak",
    "test_storms",
    "test_valkey_dies",
    "test_workers_die",
}
"""Files that hold seconds to their limits, and those that need the whole machine: never beside one another."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """For ``--dist loadgroup``: a file at a time in each process, and those above in one of them."""
    for item in items:
        name = item.path.stem
        item.add_marker(pytest.mark.xdist_group("in-turn" if name in IN_TURN else name))


@dataclass
class Stage:
    """A service to break. ``service.env`` may lead its processes through proxies, ``database_url`` goes past them."""

    service: Service
    database_url: str
    ledger: Path

    def load(self, *, seconds: float = 0.0) -> Load:
        """A client whose tasks work for ``seconds``."""
        return Load(self.service.url, self.ledger, seconds=seconds)

    def api(self) -> Keeper:
        processes, port, env = self.service.processes, self.service.port, self.service.env
        return Keeper(lambda: processes.api(port, env), f"{self.service.url}/health/ready")

    def worker(self, **settings: str) -> Keeper:
        port = free_port()
        env = {**self.service.env, "TASKRUNNER_WORKER_HEALTH_PORT": str(port), **settings}
        return Keeper(lambda: self.service.processes.worker(env), f"http://127.0.0.1:{port}/health/ready")

    @asynccontextmanager
    async def running(self, workers: int = 1, **settings: str) -> AsyncIterator[list[Keeper]]:
        """The API and some workers, each started again when it ends: the API first in the list."""
        async with AsyncExitStack() as stack:
            keepers = [self.api(), *(self.worker(**settings) for _ in range(workers))]
            for keeper in keepers:
                await stack.enter_async_context(keeper)
            yield keepers

    async def recovered(self, load: Load) -> float:
        """Seconds from now until a task submitted from now on has started."""
        began = time.monotonic()
        task_id = await load.submit(priority=0)
        await until(lambda: task_id in started_of(self.ledger), 60, "the start of a new task")
        return time.monotonic() - began

    async def judged(self, load: Load, timeout: float = 60.0) -> Evidence:
        """Wait until every task ended, and hold all that happened to G."""
        await until_all_ended(self.database_url, timeout)
        evidence = await gathered(self.database_url, self.ledger, load.calls)
        assert violations(evidence) == []
        return evidence


@pytest.fixture
def stage(own_service: Service, tmp_path: Path) -> Stage:
    """A service of the test's own; nothing runs yet."""
    own_service.env |= {"TASKRUNNER_TASK_MODULES": "tests.support.own_tasks", "PYTHONPATH": "."}
    return Stage(own_service, own_service.env["DATABASE_URL"], tmp_path / "ledger")


@pytest.fixture(scope="session")
def recoveries() -> Iterator[Recoveries]:
    """Where measured recovery times go."""
    measured = Recoveries()
    yield measured
    measured.write()
