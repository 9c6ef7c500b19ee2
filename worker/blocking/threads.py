"""``pool="thread"``: handlers in threads of the worker, for work that releases the GIL and ends soon.

A thread cannot be killed. When its run is given up, every call through the run raises
``RunEnded``, ``run.cancelled`` is true, and its place in the pool stays taken until the handler
returns: ``abandoned`` counts those. The threads are daemons, so that a handler which never
returns cannot keep the worker from ending (an executor's threads are joined at exit).
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent import futures
from typing import Any

from pydantic import BaseModel

from shared.domain.definition import TaskDefinition
from shared.domain.outcomes import Failed
from shared.domain.run import Log, Run
from worker.blocking.bridged import BridgedRun, Facts
from worker.blocking.carried import facts_of
from worker.blocking.errors import HandlerFailed, RunEnded
from worker.blocking.handling import handle
from worker.blocking.live import note, perform


class ThreadPool:
    """At most ``threads`` handlers at a time; the others wait in the order they came."""

    def __init__(self, threads: int) -> None:
        self._slots = asyncio.Semaphore(threads)
        self._links: set[ThreadLink] = set()

    @property
    def abandoned(self) -> int:
        """Threads whose run was given up and whose handler has not returned yet."""
        return sum(link.ended for link in self._links)

    async def run(
        self, definition: TaskDefinition, run: Run, given: BaseModel, facts: Facts, on_start: Callable[[], None]
    ) -> BaseModel:
        """Run the handler. Raises: HandlerFailed."""
        await self._slots.acquire()
        link = ThreadLink(run, asyncio.get_running_loop())
        try:
            done = self._start(definition, BridgedRun(facts, link), given, link)
            on_start()
            outcome = await done
        finally:
            link.end()
        if isinstance(outcome, Failed):
            raise HandlerFailed(outcome)
        return outcome

    def close(self) -> None:
        """End what the running threads may call; they themselves end when their handlers return."""
        for link in self._links:
            link.end()

    def _start(
        self, definition: TaskDefinition, run: BridgedRun, given: BaseModel, link: ThreadLink
    ) -> asyncio.Future[BaseModel | Failed]:
        """Start the thread; its place is free again when it ends, whoever still waits for it."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[BaseModel | Failed] = loop.create_future()
        self._links.add(link)

        def ended(outcome: BaseModel | Failed) -> None:
            self._links.discard(link)
            self._slots.release()
            if not done.cancelled():
                done.set_result(outcome)

        def work() -> None:
            outcome = _outcome_of(definition, run, given)
            try:
                loop.call_soon_threadsafe(ended, outcome)
            except RuntimeError:
                return  # the loop is closed: the worker has ended, and nobody asks any more

        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(work,), name=f"handler-{definition.type}", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no thread left
            self._links.discard(link)
            self._slots.release()
            raise
        return done


class ThreadLink:
    """The way from a handler's thread to the live run on ``loop``."""

    def __init__(self, run: Run, loop: asyncio.AbstractEventLoop) -> None:
        self._run = run
        self._loop = loop
        self.ended = False
        self._lock = threading.Lock()
        self._waiting: set[futures.Future[Any]] = set()

    @property
    def cancelled(self) -> bool:
        return self.ended or self._run.cancelled

    @property
    def log(self) -> Log:
        return self._run.log

    def tell(self, what: str, *values: Any) -> None:
        async def told() -> None:
            note(self._run, what, list(values))

        # Waited for, so that a handler cannot pile up more than the loop can take.
        self._on_loop(told())

    def call(self, name: str, /, **arguments: Any) -> Any:
        return self._on_loop(perform(self._run, name, arguments))

    def end(self) -> None:
        """Give the run up: what waits for the loop raises RunEnded, and so does every later call."""
        with self._lock:
            self.ended = True
            waiting = list(self._waiting)
        for future in waiting:
            future.cancel()

    def _on_loop(self, wanted: Coroutine[Any, Any, Any]) -> Any:
        with self._lock:
            if self.ended:
                wanted.close()
                raise RunEnded
            future = asyncio.run_coroutine_threadsafe(wanted, self._loop)
            self._waiting.add(future)
        try:
            return future.result()
        except futures.CancelledError:
            raise RunEnded from None
        finally:
            with self._lock:
                self._waiting.discard(future)


def _outcome_of(definition: TaskDefinition, run: BridgedRun, given: BaseModel) -> BaseModel | Failed:
    try:
        return handle(definition, run, given)
    except BaseException as error:  # noqa: BLE001 - SystemExit and StopIteration of a handler are failures too
        return facts_of(error)
