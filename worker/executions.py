"""The runs under way on this worker: started by the pump, cancelled by request, drained at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from shared.children import end
from shared.domain.outcomes import failure_of
from shared.domain.task import ClaimedTask
from shared.domain.verdict import TaskError, Verdict, failed
from shared.logs import get_logger
from worker.engine.slots import Slots
from worker.executor import Execution
from worker.runs import Handlers

GIVE_BACK_SECONDS = 8.0
"""For handlers to end and their runs to be given back, once the grace is over."""
ABANDON_SECONDS = 5.0
log = get_logger("worker")


class Executions:
    """Owns every run and its settle. A slot is given back when the handler ended, before the settle."""

    def __init__(self, handlers: Handlers, slots: Slots) -> None:
        self._handlers = handlers
        self._slots = slots
        self._claiming: set[UUID] = set()
        self._unsettled: dict[tuple[UUID, UUID], Execution] = {}
        self._running: dict[UUID, Execution] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._given_up: set[asyncio.Task[Any]] = set()
        self.started = 0

    @property
    def running(self) -> int:
        """How many handlers run."""
        return len(self._running)

    def knows(self, task_id: UUID, lease: UUID) -> bool:
        """Whether that run is ours and not settled, or may belong to a claim under way."""
        return (task_id, lease) in self._unsettled or lease in self._claiming

    @contextmanager
    def claiming(self) -> Iterator[UUID]:
        """A new lease, known until the block ends; then by the runs it started, or nobody."""
        lease = uuid4()
        self._claiming.add(lease)
        try:
            yield lease
        finally:
            self._claiming.discard(lease)

    def start(self, task: ClaimedTask) -> None:
        """Run ``task``, whose slot is taken."""
        self.started += 1
        execution = Execution(task, self._handlers)
        self._unsettled[task.id, task.lease] = execution
        self._running[task.id] = execution
        running = asyncio.create_task(self._run(execution), name=f"run-{task.id}")
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)

    def cancel(self, task_id: UUID) -> None:
        """Somebody wants ``task_id`` cancelled; not ours: nothing happens."""
        if execution := self._running.get(task_id):
            execution.cancel()

    async def drain(self, grace: float, release_now: asyncio.Event) -> None:
        """Let runs end within ``grace`` seconds, or until ``release_now``; then give the rest back."""
        if self._tasks:
            asked = asyncio.create_task(_set(release_now))
            ended = asyncio.create_task(self._all_ended())
            await asyncio.wait({asked, ended}, timeout=grace, return_when=asyncio.FIRST_COMPLETED)
            await end(asked, ended)
        for execution in list(self._running.values()):
            execution.interrupt()
        if self._tasks:
            # Bounded: with the database away nothing can be given back, and the death watch will find it.
            await asyncio.wait(set(self._tasks), timeout=GIVE_BACK_SECONDS)
        await self.abandon()

    async def abandon(self) -> None:
        """End every run and settle none: their tasks are somebody else's already, or will be.

        Bounded: a handler that does not end is left to the end of the process.
        """
        handlers = [e.handler for e in self._running.values() if e.handler]
        if not await end(*self._tasks, *handlers, *self._given_up, within=ABANDON_SECONDS):
            log.error("handlers_did_not_end", after_seconds=ABANDON_SECONDS)

    async def _all_ended(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _run(self, execution: Execution) -> None:
        task = execution.task
        try:
            verdict = await self._verdict(execution)
            await execution.settle(verdict)
        finally:
            self._unsettled.pop((task.id, task.lease), None)

    async def _verdict(self, execution: Execution) -> Verdict:
        try:
            return await execution.run()
        except Exception as error:
            # A fault of ours, or of a user's class that breaks where none should: the task must end all the same.
            log.exception("run_failed")
            return failed(TaskError("internal", failure_of(error).message, retryable=False))
        finally:
            self._slots.give_back()
            # A newer run of the same task may stand here already, if ours had lost its lease.
            if self._running.get(execution.task.id) is execution:
                del self._running[execution.task.id]
            if execution.handler is not None and not execution.handler.done():
                self._given_up.add(execution.handler)
                execution.handler.add_done_callback(self._given_up.discard)


async def _set(event: asyncio.Event) -> None:
    await event.wait()
