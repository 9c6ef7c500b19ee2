"""Slots: how many handlers may run at once. They count handlers, not settles; of those, as many may be owed again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(slots=True)
class Reserved:
    """Slots held for a claim: each task that starts takes one out of ``left`` and gives it back when it ends."""

    count: int
    left: int

    @property
    def used(self) -> int:
        return self.count - self.left


class Slots:
    """A counter to wait on. A plain semaphore can't tell how many are free, and a claim asks for that many."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._running = 0
        self._owed = 0
        self._changed = asyncio.Event()
        self._changed.set()
        self._is_waiting_over = False

    @property
    def count(self) -> int:
        """How many handlers may run at once."""
        return self._count

    @property
    def all_free(self) -> bool:
        return not self._running and not self._owed

    @property
    def free(self) -> int:
        """How many handlers may start now: results pile up while the database is slow, and that is bounded."""
        return min(self._count - self._running, 2 * self._count - self._running - self._owed)

    @contextmanager
    def reserved(self, count: int) -> Iterator[Reserved]:
        """For a claim that may bring as many; what is left at the end of the block is given back."""
        self.take(count)
        reserved = Reserved(count, count)
        try:
            yield reserved
        finally:
            self.give_back(reserved.left)

    def take(self, count: int = 1) -> None:
        self._running += count
        if self.free <= 0:
            self._changed.clear()

    def give_back(self, count: int = 1) -> None:
        """Handlers ended."""
        self._running -= count
        self._look()

    def owe(self) -> None:
        """Its end is not written yet."""
        self._owed += 1
        if self.free <= 0:
            self._changed.clear()

    def paid(self) -> None:
        """It is."""
        self._owed -= 1
        self._look()

    def _look(self) -> None:
        if self.free > 0:
            self._changed.set()

    def stop_waiting(self) -> None:
        """Let ``wait_free`` return whatever is free, from now on."""
        self._is_waiting_over = True
        self._changed.set()

    async def wait_free(self) -> int:
        """How many slots are free, once it is at least one."""
        while self.free <= 0 and not self._is_waiting_over:
            await self._changed.wait()
        return self.free
