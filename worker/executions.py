"""The runs under way on this worker: started by the pump, cancelled by request, drained at the end."""

from __future__ import annotations

import asyncio
from uuid import UUID

from shared.domain.task import ClaimedTask
from shared.domain.verdict import Verdict
from shared.logs import get_logger
from worker.engine.slots import Slots
from worker.executor import Execution
from worker.runs import Handlers

log = get_logger("worker")


class Executions:
    """Owns every run and its settle. A slot is given back when the handler ended, before the settle."""

    def __init__(self, handlers: Handlers, slots: Slots) -> None:
        self._handlers = handlers
        self._slots = slots
        self._by_id: dict[UUID, Execution] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.started = 0

    @property
    def keys(self) -> list[tuple[UUID, UUID]]:
        """(task id, lease) of every run under way."""
        return [execution.key for execution in self._by_id.values()]

    def start(self, task: ClaimedTask) -> None:
        """Run ``task``, whose slot is taken."""
        execution = Execution(task, self._handlers)
        self._by_id[task.id] = execution
        self.started += 1
        running = asyncio.create_task(self._run(execution), name=f"run-{task.id}")
        self._tasks.add(running)
        running.add_done_callback(self._tasks.discard)

    def cancel(self, task_id: UUID) -> None:
        """Somebody wants ``task_id`` cancelled; not ours: nothing happens."""
        if execution := self._by_id.get(task_id):
            execution.cancel()

    async def drain(self, grace: float, release_now: asyncio.Event) -> None:
        """Let runs end within ``grace`` seconds, or until ``release_now``; then give the rest back."""
        if self._tasks and not release_now.is_set():
            asked = asyncio.create_task(release_now.wait())
            await asyncio.wait(
                {asked, asyncio.create_task(self._all_ended())}, timeout=grace, return_when="FIRST_COMPLETED"
            )
            asked.cancel()
        for execution in self._by_id.values():
            execution.interrupt()
        await self._all_ended()

    async def _all_ended(self) -> None:
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def _run(self, execution: Execution) -> None:
        try:
            verdict: Verdict = await execution.run()
        finally:
            self._slots.give_back()
            # A newer run of the same task may stand here already, if ours had lost its lease.
            if self._by_id.get(execution.task.id) is execution:
                del self._by_id[execution.task.id]
        await execution.settle(verdict)
