"""Natural batching: while one write is under way the next one gathers. No timers, so nobody waits for company.

A single caller pays one write's time; many callers share a write, and its commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from shared.children import end
from shared.domain.errors import StoreUnavailable

MOST = 100
"""Items in one write. An item may hold a mebibyte or two, and all of them are in memory at once."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Hands what gathered to ``write``, which answers in order, and each answer to who brought its item.

    ``write`` is all or nothing. Where it refuses a batch, for any reason but an outage, the halves are written
    apart, down to the one item that is to blame: its neighbours never pay for it. ``most`` items go in one
    write; ``limit`` may wait.
    """

    def __init__(
        self, write: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], *, most: int = MOST, limit: int = 20_000
    ) -> None:
        self._write = write
        self._most = most
        self._limit = limit
        self._waiting: deque[tuple[Item, asyncio.Future[Answer]]] = deque()
        self._writing: asyncio.Task[None] | None = None

    def add(self, item: Item) -> asyncio.Future[Answer]:
        """The answer to come. A future cancelled before its write began takes its item along.

        Raises, from the future: what ``write`` raises; StoreUnavailable at once where too many wait already.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if len(self._waiting) >= self._limit:
            answer.set_exception(StoreUnavailable())
            return answer
        self._waiting.append((item, answer))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="batch")
        return answer

    async def close(self) -> None:
        """End the write under way; who waits is cancelled."""
        if self._writing is not None:
            await end(self._writing)

    async def _write_all(self) -> None:
        batch: list[tuple[Item, asyncio.Future[Answer]]] = []
        try:
            while batch := self._next():
                await self._write_batch(batch)
        except BaseException as error:
            # Cancelled, or worse: nobody is left waiting for a write that will not come.
            for _, answer in [*batch, *self._waiting]:
                if isinstance(error, asyncio.CancelledError):
                    answer.cancel()
                elif not answer.done():
                    answer.set_exception(error)
            self._waiting.clear()
            raise
        finally:
            self._writing = None

    def _next(self) -> list[tuple[Item, asyncio.Future[Answer]]]:
        batch: list[tuple[Item, asyncio.Future[Answer]]] = []
        while self._waiting and len(batch) < self._most:
            item, answer = self._waiting.popleft()
            if not answer.done():
                batch.append((item, answer))
        return batch

    async def _write_batch(self, batch: Sequence[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._write([item for item, _ in batch])
        except StoreUnavailable as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - it is its callers' to handle
            if len(batch) == 1:
                _fail(batch, error)
                return
            middle = len(batch) // 2
            await self._write_batch(batch[:middle])
            await self._write_batch(batch[middle:])
        else:
            for (_, future), answer in zip(batch, answers, strict=True):
                if not future.done():
                    future.set_result(answer)


def _fail(batch: Sequence[tuple[Item, asyncio.Future[Answer]]], error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
