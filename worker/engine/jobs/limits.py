"""Time limits of handlers. Most end at once: a timer is armed for those alone that outlive their first step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol


class Limited(Protocol):
    """A handler that is told when its time is over; ``timer`` is cancelled by whoever reads its end."""

    is_in_handler: bool
    timer: asyncio.TimerHandle | None

    def be_late(self) -> None: ...


class Limits:
    """Watches the handlers of one event loop."""

    def __init__(self) -> None:
        self._begun: list[tuple[Limited, float]] = []
        self._now = 0.0
        """When the first of them began: one look at the clock for all that begin in one pass of the loop."""

    def watch(self, run: Limited, seconds: float | None) -> None:
        """Tell ``run`` in ``seconds``; None: never. Its handler takes its first step when this returns."""
        if seconds is None:
            return
        if not self._begun:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._arm, loop.call_at)
            self._now = loop.time()
        self._begun.append((run, self._now + seconds))

    def _arm(self, call_at: Callable[[float, Callable[[], None]], asyncio.TimerHandle]) -> None:
        """After the first steps of all who began with the first of them."""
        begun, self._begun = self._begun, []
        for run, late_at in begun:
            if run.is_in_handler:
                run.timer = call_at(late_at, run.be_late)
