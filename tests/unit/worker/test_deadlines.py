"""Deadlines: each is called in its time, once, whatever others do."""

from __future__ import annotations

import asyncio
import time

from worker.deadlines import Deadlines


class Late:
    """Who is called, when; and an end to wait for."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.called: list[tuple[str, float]] = []
        self.deadlines = Deadlines()
        self._calls: asyncio.Queue[str] = asyncio.Queue()

    def set(self, name: str, seconds: float) -> None:
        self.deadlines.set(name, seconds, lambda: self._note(name))

    def _note(self, name: str) -> None:
        self.called.append((name, time.monotonic() - self.began))
        self._calls.put_nowait(name)

    async def until(self, count: int) -> list[str]:
        async with asyncio.timeout(10):
            for _ in range(count):
                await self._calls.get()
        return [name for name, _ in self.called]


async def test_the_earliest_is_called_first_whenever_it_was_set() -> None:
    late = Late()
    late.set("second", 0.2)
    late.set("first", 0.05)
    late.set("third", 0.25)
    assert await late.until(3) == ["first", "second", "third"]
    assert all(at >= due - 0.01 for (_, at), due in zip(late.called, (0.05, 0.2, 0.25), strict=True))


async def test_what_was_cleared_is_never_called() -> None:
    late = Late()
    late.set("cleared", 0.01)
    late.set("kept", 0.05)
    late.deadlines.clear("cleared")
    late.deadlines.clear("never set")
    assert await late.until(1) == ["kept"]


async def test_a_new_deadline_takes_the_place_of_an_older_one() -> None:
    late = Late()
    late.set("moved", 0.01)
    late.set("moved", 0.1)
    assert await late.until(1) == ["moved"]
    assert late.called[0][1] >= 0.09


async def test_one_that_is_called_may_set_another() -> None:
    late = Late()
    late.deadlines.set("first", 0.01, lambda: late.set("second", 0.01))
    assert await late.until(1) == ["second"]


async def test_a_deadline_after_an_hour_holds_up_no_nearer_one() -> None:
    late = Late()
    late.set("far", 3_600.0)
    late.set("near", 0.01)
    assert await late.until(1) == ["near"]
    late.set("later", 0.01)
    assert await late.until(1) == ["near", "later"]
