"""The façade over both pools: what the executor calls for a ``def`` handler."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pydantic import BaseModel

from shared.domain.definition import TaskDefinition
from shared.domain.run import Run
from worker.blocking.bridged import Facts
from worker.blocking.processes import RUNS_PER_CHILD, ProcessPool
from worker.blocking.threads import ThreadPool


def _nothing() -> None: ...


class BlockingRunner:
    """Runs ``def`` handlers beside the event loop. Costs nothing until the first run."""

    def __init__(
        self,
        *,
        processes: int,
        task_modules: Sequence[str],
        threads: int,
        memory_mb: int | None = None,
        runs_per_child: int = RUNS_PER_CHILD,
    ) -> None:
        """``memory_mb`` limits a child's address space (not its resident memory): a handler that
        asks for more gets MemoryError. polars alone maps about 1 GiB: leave it room.
        """
        if processes < 1 or threads < 1:
            raise ValueError("processes and threads must be ≥ 1: a run would wait for a place for ever")
        self._processes = ProcessPool(processes, task_modules, memory_mb, runs_per_child)
        self._threads = ThreadPool(threads)

    async def run(
        self, definition: TaskDefinition, run: Run, given: BaseModel, *, on_start: Callable[[], None] = _nothing
    ) -> BaseModel:
        """Run the handler of ``definition`` in its pool; waits for a place, in order of arrival.

        ``on_start`` is called when the handler is about to run: start its time limit there, since
        the wait for a place is not the handler's. Cancelling ends a process within a second and
        gives a thread up (see ``threads``).

        Raises:
            HandlerFailed: with the facts of what the handler raised, in either pool.
            ChildDied: its process ended under it. ChildNotReady: no process could be started.
        """
        facts = Facts(run.task_id, run.attempt, run.max_attempts, run.idempotency_key)
        match definition.pool:
            case "process":
                return await self._processes.run(definition, run, given, facts, on_start)
            case "thread":
                return await self._threads.run(definition, run, given, facts, on_start)
            case None:
                raise TypeError(f"task type {definition.type!r} is async: it runs on the event loop")

    async def run_alone(
        self, definition: TaskDefinition, run: Run, given: BaseModel, *, on_start: Callable[[], None] = _nothing
    ) -> BaseModel:
        """Run any handler, ``async def`` too, in a child of its own that is ended after it.

        For a task under suspicion: what it does to its process, it does to itself alone. Raises as ``run`` does.
        """
        facts = Facts(run.task_id, run.attempt, run.max_attempts, run.idempotency_key)
        return await self._processes.run(definition, run, given, facts, on_start, alone=True)

    async def close(self) -> None:
        """End every child process; threads are asked to stop and not waited for."""
        self._threads.close()
        await self._processes.close()

    @property
    def child_pids(self) -> list[int]:
        """The child processes that live now, idle ones included."""
        return self._processes.pids

    @property
    def abandoned_threads(self) -> int:
        """Threads whose run was given up and whose handler has not returned; each takes a place."""
        return self._threads.abandoned
