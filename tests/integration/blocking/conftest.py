"""Runners with real children, and live runs to serve."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.integration.blocking.live_run import LiveRun
from worker.blocking import BlockingRunner

MODULE = "tests.support.blocking_tasks"


@pytest.fixture(scope="session")
async def runner() -> AsyncIterator[BlockingRunner]:
    """One runner for all tests that leave their children alive: two children, two threads."""
    shared = BlockingRunner(processes=2, task_modules=[MODULE], threads=2)
    yield shared
    await shared.close()


@pytest.fixture
async def make_runner() -> AsyncIterator[Callable[..., BlockingRunner]]:
    """Runners of a test's own, closed after it."""
    made: list[BlockingRunner] = []

    def make(*, processes: int = 1, memory_mb: int | None = None, runs_per_child: int = 100) -> BlockingRunner:
        made.append(
            BlockingRunner(
                processes=processes,
                task_modules=[MODULE],
                threads=1,
                memory_mb=memory_mb,
                runs_per_child=runs_per_child,
            )
        )
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def live(tmp_path: Path) -> LiveRun:
    return LiveRun(tmp_path)
