"""Slots: how many handlers may run at once. They count handlers, not settles."""

from __future__ import annotations

import asyncio


class Slots:
    """A counter to wait on. A plain semaphore can't tell how many are free, and a claim asks for that many."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = count
        self._changed = asyncio.Event()
        self._changed.set()
        self._is_waiting_over = False

    @property
    def all_free(self) -> bool:
        return self._free == self._count

    def take(self) -> None:
        self._free -= 1
        if self._free <= 0:
            self._changed.clear()

    def give_back(self) -> None:
        self._free += 1
        self._changed.set()

    def stop_waiting(self) -> None:
        """Let ``wait_free`` return whatever is free, from now on."""
        self._is_waiting_over = True
        self._changed.set()

    async def wait_free(self) -> int:
        """How many slots are free, once it is at least one."""
        while self._free <= 0 and not self._is_waiting_over:
            await self._changed.wait()
        return self._free
