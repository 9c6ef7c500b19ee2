"""The runs under way on this worker: started by the pump, cancelled by request, drained at the end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

from shared.children import end
from shared.domain.task import ClaimedTask
from worker.engine.slots import Slots
from worker.executor import Execution
from worker.runs import Handlers

GIVE_BACK_SECONDS = 8.0
"""For handlers to end and their runs to be given back, once the grace is over."""


class Executions:
    """Owns every run and its settle. A slot is given back when the handler ended, before the settle."""

    def __init__(self, handlers: Handlers, slots: Slots) -> None:
        self._handlers = handlers
        self._slots = slots
        self._running: dict[UUID, Execution] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._leases: Counter[UUID] = Counter()
        self.started = 0

    @property
    def running(self) -> int:
        """How many handlers run."""
        return len(self._running)

    def leases(self) -> set[UUID]:
        """Every lease made for a claim under way, or of a run that is not settled yet."""
        return set(self._leases)

    @contextmanager
    def claiming(self) -> Iterator[UUID]:
        """A new lease, known until the block ends; then by the runs it started, or nobody."""
        lease = uuid4()
        with self._known(lease):
            yield lease

    def start(self, task: ClaimedTask) -> None:
        """Run ``task``, whose slot is taken."""
        self.started += 1
        # Known from here on: the claim's own hold on the lease ends before the task first runs.
        self._leases[task.lease] += 1
        execution = Execution(task, self._handlers)
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
            asked.cancel()
            ended.cancel()
        for execution in list(self._running.values()):
            execution.interrupt()
        if self._tasks:
            # Bounded: with the database away nothing can be given back, and the death watch will find it.
            await asyncio.wait(set(self._tasks), timeout=GIVE_BACK_SECONDS)
        await self.abandon()

    async def abandon(self) -> None:
        """End every run at once and settle none: their tasks are somebody else's already, or will be."""
        handlers = [e.handler for e in self._running.values() if e.handler]
        await end(*self._tasks, *handlers)

    async def _all_ended(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _run(self, execution: Execution) -> None:
        lease = execution.task.lease
        try:
            try:
                verdict = await execution.run()
            finally:
                self._slots.give_back()
                # A newer run of the same task may stand here already, if ours had lost its lease.
                if self._running.get(execution.task.id) is execution:
                    del self._running[execution.task.id]
            await execution.settle(verdict)
        finally:
            self._forget(lease)

    @contextmanager
    def _known(self, lease: UUID) -> Iterator[None]:
        self._leases[lease] += 1
        try:
            yield
        finally:
            self._forget(lease)

    def _forget(self, lease: UUID) -> None:
        self._leases[lease] -= 1
        if not self._leases[lease]:
            del self._leases[lease]


async def _set(event: asyncio.Event) -> None:
    await event.wait()
