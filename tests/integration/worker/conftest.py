"""A worker's inside over the real stores, without its process: claim, run and settle by hand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from shared.domain.ids import new_id
from shared.domain.task import ClaimedTask, NewTask, Task
from shared.domain.verdict import Verdict
from shared.queue.claim import Claimant, claim_hinted
from shared.queue.lookup import get_task
from shared.queue.settle import Settled, Settlement, settle
from shared.queue.stores import Stores
from shared.queue.submit import submit
from tests.integration.worker import handlers
from tests.support.stores import registered
from worker.blocking import BlockingRunner
from worker.executor import Execution
from worker.handlers import Handlers
from worker.live_board import LiveBoard

TENANT = 1


@dataclass
class Bench:
    """One worker's parts, and the steps of a task's life one by one."""

    stores: Stores
    handlers: Handlers
    board: LiveBoard
    who: Claimant
    _verdicts: dict[UUID, asyncio.Future[Verdict]] = field(default_factory=dict)

    async def submitted(self, type_: str, way: str = "", **fields: Any) -> Task:
        planned = {"queue": "demo_tasks", "priority": 5, "timeout": 30.0, "max_attempts": 4, "input": {"way": way}}
        return (await submit(self.stores, TENANT, [NewTask(id=new_id(), type=type_, **{**planned, **fields})]))[0]

    async def claimed(self, task: Task) -> ClaimedTask:
        [owned] = await claim_hinted(self.stores, self.who, [task.id])
        return owned

    async def execution(self, type_: str, way: str = "", **fields: Any) -> Execution:
        return self.execution_of(await self.claimed(await self.submitted(type_, way, **fields)))

    def execution_of(self, claimed: ClaimedTask) -> Execution:
        """A run whose verdict is kept for ``verdict_of``."""
        self._verdicts[claimed.lease] = asyncio.get_running_loop().create_future()
        return Execution(claimed, self.handlers, lambda e, verdict: self._verdicts[e.task.lease].set_result(verdict))

    async def verdict_of(self, execution: Execution) -> Verdict:
        execution.start()
        async with asyncio.timeout(20):
            return await self._verdicts[execution.task.lease]

    async def write(self, execution: Execution, verdict: Verdict) -> Settled | None:
        progress = execution.last_progress(verdict)
        settlement = Settlement(TENANT, execution.task.id, execution.task.lease, verdict, progress)
        return (await settle(self.stores, [settlement]))[0]

    async def done(self, type_: str, way: str = "", **fields: Any) -> Task:
        """The task as it stands after one run."""
        return await self.finish(await self.execution(type_, way, **fields))

    async def finish(self, execution: Execution) -> Task:
        await self.write(execution, await self.verdict_of(execution))
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
