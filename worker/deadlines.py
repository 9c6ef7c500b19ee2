"""When runs have had their time: one timer for all of them, set for the earliest.

A timer for each was a twentieth of what a small task cost its worker.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

ROUNDING_SECONDS = 0.002
"""Timers of libuv count milliseconds, and may ring that much early."""


class Deadlines:
    """Whose time is up is called, once; a new deadline takes the place of an older one."""

    def __init__(self) -> None:
        self._due: dict[object, tuple[float, Callable[[], None]]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = math.inf

    def set(self, whose: object, seconds: float, call: Callable[[], None]) -> None:
        """Call ``call`` in so many seconds."""
        at = asyncio.get_running_loop().time() + seconds
        self._due[whose] = (at, call)
        if at < self._rings_at:
            self._arm(at)

    def clear(self, whose: object) -> None:
        """It is not called any more."""
        self._due.pop(whose, None)

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._ring)
        self._rings_at = at

    def _ring(self) -> None:
        self._timer, self._rings_at = None, math.inf
        now = asyncio.get_running_loop().time() + ROUNDING_SECONDS
        for whose, (at, call) in list(self._due.items()):
            if at <= now:
                del self._due[whose]
                call()
        if self._due:
            self._arm(min(at for at, _ in self._due.values()))
