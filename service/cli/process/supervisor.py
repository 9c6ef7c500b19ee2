"""Starts services in order, keeps them running, and stops them in reverse, whatever ends the run."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from service.cli.process.child import Child, Service, StartFailed
from service.cli.process.console import Console
from shared.domain.errors import TaskRunnerError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Action:
    """Something to be done once, between two services."""

    run: Callable[[], Awaitable[None]]


Step = Action | Sequence[Service]
"""Services of one step start and stop together."""


class Interrupt:
    """The first signal asks for an orderly stop, the second for an immediate one."""

    def __init__(self, console: Console) -> None:
        self.asked = asyncio.Event()
        self.forced = asyncio.Event()
        self._console = console

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._heard)

    def _heard(self) -> None:
        if self.asked.is_set():
            self.forced.set()
            return
        self._console.note("stopping; Ctrl-C again kills")
        self.asked.set()


class Supervisor:
    def __init__(self, console: Console, interrupt: Interrupt) -> None:
        self._console = console
        self._interrupt = interrupt
        self._started: list[list[Child]] = []

    async def run(self, steps: Iterable[Step], when_ready: Callable[[], None]) -> None:
        """Take the steps, then keep the services running until interrupted.

        Raises: StartFailed or a TaskRunnerError of an action, after everything has been stopped.
        """
        problem: Exception | None = None
        async with asyncio.TaskGroup() as keepers:
            try:
                if await self._finished_first(self._start(steps, keepers)):
                    when_ready()
                    await self._interrupt.asked.wait()
            except (StartFailed, TaskRunnerError) as error:
                problem = error
            finally:
                await self._stop()
        if problem is not None:
            raise problem

    async def _start(self, steps: Iterable[Step], keepers: asyncio.TaskGroup) -> None:
        for step in steps:
            if isinstance(step, Action):
                await step.run()
                continue
            children = [Child(service, self._console) for service in step]
            self._started.append(children)
            for child in children:
                keepers.create_task(child.keep(), name=child.service.name)
            for child in children:
                await child.until_ready()

    async def _finished_first(self, start: Coroutine[Any, Any, None]) -> bool:
        """Whether ``start`` came to its end before an interrupt, which cancels it."""
        starting = asyncio.ensure_future(start)
        asked = asyncio.ensure_future(self._interrupt.asked.wait())
        try:
            await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return False
            starting.result()
            return True
        finally:
            asked.cancel()
            starting.cancel()
            await asyncio.wait({starting})

    async def _stop(self) -> None:
        for children in reversed(self._started):
            await asyncio.gather(*(child.stop(self._interrupt.forced) for child in children))
