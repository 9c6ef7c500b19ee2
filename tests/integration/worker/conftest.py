"""A worker's inside over the real stores, without its process: claim, run and settle by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from shared.domain.ids import new_id
from shared.domain.task import ClaimedTask, NewTask, Task
from shared.queue.claim import Claimant, claim_hinted
from shared.queue.lookup import get_task
from shared.queue.stores import Stores
from shared.queue.submit import submit
from tests.integration.worker import handlers
from tests.support.stores import registered
from worker.blocking import BlockingRunner
from worker.context import LiveBoard
from worker.executor import Execution
from worker.runs import Handlers

TENANT = 1


@dataclass
class Bench:
    """One worker's parts, and the steps of a task's life one by one."""

    stores: Stores
    handlers: Handlers
    board: LiveBoard
    who: Claimant

    async def submitted(self, type_: str, way: str = "", **fields: Any) -> Task:
        planned = {"queue": "demo_tasks", "priority": 5, "timeout": 30.0, "max_attempts": 4, "input": {"way": way}}
        return (await submit(self.stores, TENANT, [NewTask(id=new_id(), type=type_, **{**planned, **fields})]))[0]

    async def claimed(self, task: Task) -> ClaimedTask:
        [owned] = await claim_hinted(self.stores, self.who, [task.id])
        return owned

    async def execution(self, type_: str, way: str = "", **fields: Any) -> Execution:
        return Execution(await self.claimed(await self.submitted(type_, way, **fields)), self.handlers)

    async def done(self, type_: str, way: str = "", **fields: Any) -> Task:
        """The task as it stands after one run."""
        return await self.finish(await self.execution(type_, way, **fields))

    async def finish(self, execution: Execution) -> Task:
        async with asyncio.timeout(20):
            verdict = await execution.run()
            await execution.settle(verdict)
        return await get_task(self.stores, TENANT, execution.task.id)

    async def running(self, type_: str, way: str = "", **fields: Any) -> tuple[Execution, asyncio.Task[Task]]:
        """A run whose handler was entered, and its end to await."""
        execution = await self.execution(type_, way, **fields)
        ending = asyncio.create_task(self.finish(execution))
        async with asyncio.timeout(10):
            await handlers.stage.entered.wait()
        return execution, ending


@pytest.fixture(autouse=True)
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[handlers.Stage]:
    """A fresh stage; handlers left waiting on it are let go."""
    fresh = handlers.Stage()
    monkeypatch.setattr(handlers, "stage", fresh)
    yield fresh
    fresh.release.set()


@pytest_asyncio.fixture
async def bench(stores: Stores) -> AsyncIterator[Bench]:
    blocking = BlockingRunner(processes=1, task_modules=[], threads=2)
    who = replace(await registered(stores), types=(*handlers.ALL.types, "unknown_here"))
    board = LiveBoard(stores)
    nothing: Any = None
    made = Handlers(stores, handlers.ALL, who.worker_id, ai=nothing, mail=nothing, blocking=blocking, board=board)
    yield Bench(stores, made, board, who)
    await blocking.close()


async def eventually(holds: Callable[[], Awaitable[bool]], timeout: float = 10.0) -> None:
    """Return once ``holds`` does."""
    deadline = time.monotonic() + timeout
    while not await holds():
        assert time.monotonic() < deadline, f"not within {timeout:g} s"
        await asyncio.sleep(0.01)
