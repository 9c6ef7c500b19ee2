"""Waiting for tasks to become final: told by Redis within milliseconds, and by a poll when Redis is silent."""

from __future__ import annotations

import asyncio
from typing import Self
from uuid import UUID

from shared.broker.keys import FINALS_CHANNEL
from shared.broker.listener import listen
from shared.db.session import Database
from shared.db.statements import lookup
from shared.domain.errors import StoreUnavailable

POLL_SECONDS = 1.0
"""One statement a second for all waiters of the process, so that no lost announcement costs more."""


class FinalsWaiter:
    """The waiters of one process. Its two children start with the first waiter."""

    def __init__(self, db: Database, result_url: str) -> None:
        self._db = db
        self._result_url = result_url
        self._waiters: dict[UUID, set[asyncio.Event]] = {}
        self.children: list[asyncio.Task[None]] = []
        self.is_ending = False

    def watching(self, task_id: UUID) -> Watch:
        """Start to watch before reading the row, so that no end falls between the two."""
        self._start()
        return Watch(self, task_id)

    def _start(self) -> None:
        if not self.children:
            self.children = [
                asyncio.create_task(listen(self._result_url, FINALS_CHANNEL, self.tell), name="finals"),
                asyncio.create_task(self._poll(), name="finals-poll"),
            ]

    def tell(self, task_id: UUID) -> None:
        for waiter in self._waiters.get(task_id, ()):
            waiter.set()

    def end_waits(self) -> None:
        """Nobody waits any more: each is told to look, and to take what it sees."""
        self.is_ending = True
        for task_id in self._waiters:
            self.tell(task_id)

    def add(self, task_id: UUID, waiter: asyncio.Event) -> None:
        self._waiters.setdefault(task_id, set()).add(waiter)

    def remove(self, task_id: UUID, waiter: asyncio.Event) -> None:
        waiters = self._waiters[task_id]
        waiters.discard(waiter)
        if not waiters:
            del self._waiters[task_id]

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(POLL_SECONDS)
            if not self._waiters:
                continue
            try:
                async with self._db.autocommit() as session:
                    for task_id in await lookup.which_are_final(session, list(self._waiters)):
                        self.tell(task_id)
            except StoreUnavailable:
                continue


class Watch:
    """One waiter on one task, gone with its ``with`` block whatever ends it."""

    def __init__(self, finals: FinalsWaiter, task_id: UUID) -> None:
        self._finals = finals
        self._task_id = task_id
        self._told = asyncio.Event()

    def __enter__(self) -> Self:
        self._finals.add(self._task_id, self._told)
        return self

    def __exit__(self, *_: object) -> None:
        self._finals.remove(self._task_id, self._told)

    async def within(self, timeout: float) -> bool:
        try:
            async with asyncio.timeout(timeout):
                await self._told.wait()
        except TimeoutError:
            return False
        return True
