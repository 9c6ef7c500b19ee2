"""Natural batching: while one write is under way the next one gathers. No timers, so nobody waits for company.

A single caller pays one write's time; many callers share a write, and its commit. An answer goes to a future, or to
whatever takes its place: a thousand futures a second cost nothing, ten thousand do.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from shared.children import end
from shared.domain.errors import StoreUnavailable

MOST = 100
"""Items in one write. An item may hold a mebibyte or two, and all of them are in memory at once."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Answer_contra = TypeVar("Answer_contra", contravariant=True)


class Reply(Protocol[Answer_contra]):
    """Where an answer goes: a future, or what has these of its methods. None may raise."""

    def done(self) -> bool: ...
    def cancel(self) -> Any: ...
    def set_result(self, answer: Answer_contra, /) -> None: ...
    def set_exception(self, error: BaseException, /) -> None: ...


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
        self._waiting: deque[tuple[Item, Reply[Answer]]] = deque()
        self._writing: asyncio.Task[None] | None = None

    def add(self, item: Item) -> asyncio.Future[Answer]:
        """The answer to come. A future cancelled before its write began takes its item along.

        Raises, from the future: what ``write`` raises; StoreUnavailable at once where too many wait already.
        """
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.put(item, answer)
        return answer

    def put(self, item: Item, reply: Reply[Answer]) -> None:
        """The same, for who has a place for the answer."""
        if len(self._waiting) >= self._limit:
            reply.set_exception(StoreUnavailable())
            return
        self._waiting.append((item, reply))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="batch")

    async def close(self) -> None:
        """End the write under way; who waits is cancelled."""
        if self._writing is not None:
            await end(self._writing)

    async def _write_all(self) -> None:
        batch: list[tuple[Item, Reply[Answer]]] = []
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

    def _next(self) -> list[tuple[Item, Reply[Answer]]]:
        batch: list[tuple[Item, Reply[Answer]]] = []
        while self._waiting and len(batch) < self._most:
            item, answer = self._waiting.popleft()
            if not answer.done():
                batch.append((item, answer))
        return batch

    async def _write_batch(self, batch: Sequence[tuple[Item, Reply[Answer]]]) -> None:
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
            # Behind the next write, which goes out first: what the answers set going is done while that is under way.
            replies = [reply for _, reply in batch]
            asyncio.get_running_loop().call_soon(_give, list(zip(replies, answers, strict=True)))


def _give(answers: Sequence[tuple[Reply[Answer], Answer]]) -> None:
    for reply, answer in answers:
        if not reply.done():
            reply.set_result(answer)


def _fail(batch: Sequence[tuple[Item, Reply[Answer]]], error: Exception) -> None:
    for _, reply in batch:
        if not reply.done():
            reply.set_exception(error)
