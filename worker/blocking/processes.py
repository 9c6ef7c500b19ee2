"""``pool="process"``: warm children, one run each at a time, replaced when they end or grow old.

Owns how many there are and who is next. A child whose run was given up is killed: nothing of a
cancelled or timed-out handler goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from pydantic import BaseModel

from shared.domain.definition import TaskDefinition
from shared.domain.outcomes import Failed
from shared.domain.run import Run
from worker.blocking.bridged import Facts
from worker.blocking.errors import ChildNotReady, HandlerFailed
from worker.blocking.handling import load_output
from worker.blocking.remote import Child

RUNS_PER_CHILD = 100


class ProcessPool:
    """At most ``processes`` children, started when needed; waiting runs go in the order they came."""

    def __init__(self, processes: int, task_modules: Sequence[str], memory_mb: int | None, runs_per_child: int) -> None:
        self._slots = asyncio.Semaphore(processes)
        self._task_modules = tuple(task_modules)
        self._memory_mb = memory_mb
        self._runs_per_child = runs_per_child
        self._idle: list[Child] = []
        self._children: set[Child] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """The processes that live now."""
        return [child.pid for child in self._children if child.is_alive]

    async def run(
        self,
        definition: TaskDefinition,
        run: Run,
        given: BaseModel,
        facts: Facts,
        on_start: Callable[[], None],
        *,
        alone: bool = False,
    ) -> BaseModel:
        """Run the handler in a child; ``alone``: in a new one that serves nobody else.

        Raises: HandlerFailed, ChildDied, ChildNotReady.
        """
        async with self._slots:
            child = await self._begun(definition, facts, given, alone=alone)
            reusable = False
            try:
                on_start()
                outcome = await child.converse(run)
                is_spent = alone or child.runs >= self._runs_per_child
                reusable = child.is_alive and not is_spent and not self._closed
            finally:
                if reusable:
                    self._idle.append(child)
                else:
                    await self._end(child)
        if isinstance(outcome, Failed):
            raise HandlerFailed(outcome)
        return load_output(definition, outcome)

    async def close(self) -> None:
        """End every child, busy or not, and wait until they are gone."""
        self._closed = True
        self._idle.clear()
        for child in list(self._children):
            self._end_soon(child)
        if self._ending:
            await asyncio.wait(self._ending)

    async def _begun(self, definition: TaskDefinition, facts: Facts, given: BaseModel, *, alone: bool) -> Child:
        """A child that has taken the run: a warm one, or, where those have died idle, a new one."""
        while True:
            is_new = alone or not self._idle
            child = await self._start() if is_new else self._idle.pop()
            took = False
            try:
                took = await child.begin(definition, facts, given)
            finally:
                if not took:
                    await self._end(child)
            if took:
                return child
            if is_new:
                raise ChildNotReady("A process for handlers started, and did not take its first run.")

    async def _start(self) -> Child:
        if not self._closed:
            child = await Child.start(self._task_modules, self._memory_mb)
            self._children.add(child)
            if not self._closed:
                return child
            await self._end(child)
        raise ChildNotReady("The worker is closing.")

    async def _end(self, child: Child) -> None:
        # The killing goes on if we are cancelled once more; close() waits for it.
        await asyncio.shield(self._end_soon(child))

    def _end_soon(self, child: Child) -> asyncio.Task[None]:
        self._children.discard(child)
        task = asyncio.create_task(child.end(), name=f"end-child-{child.pid}")
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task
