"""What is told behind an answer: together, within bounds, and never at its teller's cost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest
import pytest_asyncio

from shared.children import end
from shared.queue.outbox import Outbox


class Line:
    """Where an outbox sends to: notes each batch, and holds it while ``open`` is clear."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.began, self.open = asyncio.Event(), asyncio.Event()
        self.open.set()

    async def send(self, items: Sequence[int]) -> None:
        self.batches.append(list(items))
        self.began.set()
        await self.open.wait()
        if 13 in items:
            raise ValueError("unlucky")


MakeOutbox = Callable[..., Outbox[int]]


@pytest.fixture
def line() -> Line:
    return Line()


@pytest_asyncio.fixture
async def outbox(line: Line) -> AsyncIterator[MakeOutbox]:
    running: list[asyncio.Task[None]] = []

    def make(most: int = 3, limit: int = 100) -> Outbox[int]:
        made: Outbox[int] = Outbox(line.send, most=most, limit=limit)
        running.append(asyncio.create_task(made.run()))
        return made

    yield make
    await end(*running)


async def test_what_gathers_while_one_batch_is_under_way_goes_with_the_next(line: Line, outbox: MakeOutbox) -> None:
    sending = outbox()
    line.open.clear()
    sending.put([1])
    await line.began.wait()
    sending.put([2, 3])
    sending.put([4, 5])
    line.open.set()
    assert await sending.flush(5)
    assert line.batches == [[1], [2, 3, 4], [5]]


async def test_past_its_limit_the_oldest_are_dropped(line: Line, outbox: MakeOutbox) -> None:
    sending = outbox(most=10, limit=4)
    sending.put(range(9))
    assert await sending.flush(5)
    assert line.batches == [[5, 6, 7, 8]]


async def test_a_batch_that_fails_is_dropped_and_the_next_is_sent(line: Line, outbox: MakeOutbox) -> None:
    sending = outbox(most=1)
    sending.put([13, 14])
    assert await sending.flush(5)
    assert line.batches == [[13], [14]]


async def test_a_flush_waits_no_longer_than_it_is_told(line: Line, outbox: MakeOutbox) -> None:
    sending = outbox()
    assert await sending.flush(0.01), "nothing to send"
    line.open.clear()
    sending.put([1])
    assert not await sending.flush(0.01)
    line.open.set()
    assert await sending.flush(5)
