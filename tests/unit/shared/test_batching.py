"""Natural batching: who shares a write, who pays for a bad item, and what a cancel leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from shared.batching import Batcher
from shared.domain.errors import StoreUnavailable, Unstorable


class Store:
    """Doubles what it is given. ``gate`` shut holds every write; ``bad`` items refuse theirs; ``away`` refuses all."""

    def __init__(self) -> None:
        self.writes: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.bad: set[int] = set()
        self.error: Exception = Unstorable("bad")
        self.away = False

    async def write(self, items: Sequence[int]) -> Sequence[int]:
        self.writes.append(list(items))
        self.entered.set()
        await self.gate.wait()
        if self.away:
            raise StoreUnavailable
        if self.bad.intersection(items):
            raise self.error
        return [item * 2 for item in items]


async def test_what_comes_in_one_turn_of_the_loop_shares_a_write() -> None:
    store = Store()
    batcher = Batcher(store.write)
    assert await asyncio.gather(*[batcher.add(n) for n in range(5)]) == [0, 2, 4, 6, 8]
    assert store.writes == [[0, 1, 2, 3, 4]]


async def test_what_comes_during_a_write_gathers_for_the_next() -> None:
    store = Store()
    batcher = Batcher(store.write, most=2)
    store.gate.clear()
    first = batcher.add(1)
    await store.entered.wait()
    rest = [batcher.add(n) for n in (2, 3, 4)]
    store.gate.set()
    assert await asyncio.gather(first, *rest) == [2, 4, 6, 8]
    assert store.writes == [[1], [2, 3], [4]]


@pytest.mark.parametrize("error", [Unstorable("bad"), RuntimeError("surprise")])
async def test_a_bad_item_fails_alone(error: Exception) -> None:
    store = Store()
    store.bad, store.error = {3}, error
    batcher = Batcher(store.write)
    answers = await asyncio.gather(*[batcher.add(n) for n in range(6)], return_exceptions=True)
    assert answers == [0, 2, 4, error, 8, 10]


async def test_an_outage_is_everybodys_and_is_not_tried_item_by_item() -> None:
    store = Store()
    store.away = True
    batcher = Batcher(store.write)
    answers = await asyncio.gather(*[batcher.add(n) for n in range(4)], return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 4
    assert len(store.writes) == 1
    store.away = False
    assert await batcher.add(7) == 14


async def test_who_leaves_before_the_write_takes_the_item_along() -> None:
    store = Store()
    batcher = Batcher(store.write)
    store.gate.clear()
    first = batcher.add(1)
    await store.entered.wait()
    leaver, stayer = batcher.add(2), batcher.add(3)
    leaver.cancel()
    store.gate.set()
    assert (await first, await stayer) == (2, 6)
    assert store.writes == [[1], [3]]


async def test_who_leaves_during_the_write_disturbs_nobody() -> None:
    store = Store()
    batcher = Batcher(store.write)
    store.gate.clear()
    leaver, stayer = batcher.add(1), batcher.add(2)
    await store.entered.wait()
    leaver.cancel()
    store.gate.set()
    assert await stayer == 4
    assert store.writes == [[1, 2]]


async def test_too_many_waiting_are_refused_at_once() -> None:
    store = Store()
    batcher = Batcher(store.write, limit=2)
    store.gate.clear()
    first = batcher.add(1)
    await store.entered.wait()
    waiting = [batcher.add(2), batcher.add(3)]
    with pytest.raises(StoreUnavailable):
        await batcher.add(4)
    store.gate.set()
    assert await asyncio.gather(first, *waiting) == [2, 4, 6]


async def test_a_close_leaves_nobody_waiting() -> None:
    store = Store()
    batcher = Batcher(store.write)
    store.gate.clear()
    first = batcher.add(1)
    await store.entered.wait()
    second = batcher.add(2)
    await batcher.close()
    assert (first.cancelled(), second.cancelled()) == (True, True)


async def test_it_begins_anew_after_a_pause() -> None:
    store = Store()
    batcher = Batcher(store.write)
    assert [await batcher.add(n) for n in (1, 2)] == [2, 4]
    assert store.writes == [[1], [2]]
