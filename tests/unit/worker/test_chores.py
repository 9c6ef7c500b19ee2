"""The turns of a maintenance chore: none ends it, and each is counted by what it came to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from shared.children import end
from shared.domain.errors import StoreUnavailable
from shared.metrics import CHORE_TURNS
from worker.maintenance.loops import Chore, _repeat

NAME = "chore_of_a_test"
NO_STORES: Any = None


@pytest.fixture(autouse=True)
def counted_from_nothing() -> Iterator[None]:
    yield
    for labels in [labels for labels in CHORE_TURNS.counts if labels[0] == NAME]:
        del CHORE_TURNS.counts[labels]


async def test_a_chore_goes_on_whatever_a_turn_comes_to_and_each_turn_is_counted() -> None:
    turns: Iterator[Exception | None] = iter([StoreUnavailable(), ValueError("a bug"), None, None])
    all_done = asyncio.Event()

    async def work(_: object) -> None:
        turn = next(turns, all_done)
        if turn is all_done:
            all_done.set()
            await asyncio.Event().wait()
        if isinstance(turn, Exception):
            raise turn

    repeating = asyncio.create_task(_repeat(Chore(NAME, 0.001, work), NO_STORES))
    async with asyncio.timeout(10):
        await all_done.wait()
    await end(repeating)
    counted = {outcome: CHORE_TURNS.counts[NAME, outcome] for outcome in ("done", "skipped", "failed")}
    assert counted == {"done": 2, "skipped": 1, "failed": 1}


async def test_a_chore_that_never_failed_is_told_of_as_such() -> None:
    async def never(_: object) -> None:
        raise AssertionError

    repeating = asyncio.create_task(_repeat(Chore(NAME, 3_600.0, never), NO_STORES))
    await asyncio.sleep(0)
    await end(repeating)
    assert {labels: count for labels, count in CHORE_TURNS.counts.items() if labels[0] == NAME} == {(NAME, "failed"): 0}
