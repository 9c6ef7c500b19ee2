"""Starts services in order, keeps them running, replaces them when told, and stops them in reverse."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from service.cli.process.child import Child, Service, StartFailed
from service.cli.process.console import Console
from shared.domain.errors import TaskRunnerError

HANG_UP_S = 0.2
"""The kernel may send SIGHUP just before it takes the terminal away."""


@dataclass(frozen=True)
class Action:
    """Something to be done once, between two services."""

    run: Callable[[], Awaitable[None]]


Step = Action | Sequence[Service]
"""Services of one step start and stop together."""


class Interrupt:
    """The first signal asks for an orderly stop, the second for an immediate one. SIGHUP asks for new processes."""

    def __init__(self, console: Console) -> None:
        self.asked = asyncio.Event()
        self.forced = asyncio.Event()
        self.roll = asyncio.Event()
        self._console = console
        self._had_terminal = _has_terminal()

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._heard)
        loop.add_signal_handler(signal.SIGHUP, lambda: loop.call_later(HANG_UP_S, self._hung_up))

    def _heard(self) -> None:
        if self.asked.is_set():
            self.forced.set()
            return
        self._console.note("stopping; Ctrl-C again kills")
        self.asked.set()

    def _hung_up(self) -> None:
        """The signal's first meaning comes first: a terminal that was closed ends what ran in it."""
        if self._had_terminal and not _has_terminal():
            self._heard()
        else:
            self.roll.set()


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
                    await self._finished_first(self._roll_when_told(keepers))
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

    async def _roll_when_told(self, keepers: asyncio.TaskGroup) -> None:
        while True:
            await self._interrupt.roll.wait()
            self._interrupt.roll.clear()
            self._console.note("replacing the processes, one after the other")
            try:
                for children in self._started:
                    for child in list(children):
                        await self._replace(child, children, keepers)
            except StartFailed as error:
                self._console.note(f"went no further, what runs stays: {error}")
            else:
                self._console.note("replaced")

    async def _replace(self, old: Child, among: list[Child], keepers: asyncio.TaskGroup) -> None:
        """Stop ``old`` once its successor is ready; without one that can be, it stays. Raises: StartFailed."""
        if old.service.successor is None:
            return
        new = Child(old.service.successor(), self._console)
        among.append(new)  # so that an interrupt stops both
        keepers.create_task(new.keep(), name=new.service.name)
        try:
            await new.until_ready()
        except StartFailed:
            await new.stop(self._interrupt.forced)
            among.remove(new)
            raise
        await old.stop(self._interrupt.forced)
        among.remove(old)

    async def _finished_first(self, work: Coroutine[Any, Any, None]) -> bool:
        """Whether ``work`` came to its end before an interrupt, which cancels it."""
        working = asyncio.ensure_future(work)
        asked = asyncio.ensure_future(self._interrupt.asked.wait())
        try:
            await asyncio.wait({working, asked}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                return False
            working.result()
            return True
        finally:
            asked.cancel()
            working.cancel()
            await asyncio.wait({working})

    async def _stop(self) -> None:
        for children in reversed(self._started):
            await asyncio.gather(*(child.stop(self._interrupt.forced) for child in children))


def _has_terminal() -> bool:
    try:
        os.close(os.open(os.ctermid(), os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK))
    except OSError:
        return False
    return True
