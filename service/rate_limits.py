"""How often a key may ask: a budget for each window of ten seconds, told with every answer.

Each process counts by itself, in memory, so a request waits for nothing. Four times a second the processes exchange
their counts through Redis: together they let a key exceed its budget by what it asks in that quarter of a second. While
Redis is away each process counts alone.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from service.problems import Problem
from shared.broker.rates import exchange_counts
from shared.queue.stores import Stores

WINDOW_SECONDS = 10
EXCHANGE_SECONDS = 0.25

Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class Count:
    """Requests of one key in this window: here, those of them that others know of, and elsewhere."""

    here: int = 0
    told: int = 0
    elsewhere: int = 0


class RateLimits:
    """``per_second`` requests of each key, on average over a window."""

    def __init__(self, per_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget = per_second * WINDOW_SECONDS
        self._policy = (b"ratelimit-policy", b'"key";q=%d;w=%d' % (self._budget, WINDOW_SECONDS))
        self._clock = clock
        # To the windows of all processes: by this machine's clock, until Redis has told its own.
        self._ahead = time.time() - clock()
        self._window = -1
        self._counts: dict[str, Count] = {}

    def take(self, key_id: str) -> tuple[Headers, Problem | None]:
        """Count one request: the headers of its answer, and its refusal where the budget is used up."""
        now = self._clock() + self._ahead
        self._turn(now)
        count = self._counts.get(key_id)
        if count is None:
            count = self._counts[key_id] = Count()
        left = self._budget - count.here - count.elsewhere
        resets_in = math.ceil(WINDOW_SECONDS - now % WINDOW_SECONDS)
        if left > 0:
            count.here += 1
        headers = (self._policy, (b"ratelimit", b'"key";r=%d;t=%d' % (max(0, left - 1), resets_in)))
        return headers, None if left > 0 else self._refusal(resets_in)

    async def exchange_for_ever(self, stores: Stores) -> None:
        """Tell the other processes what was counted here, and learn what they counted."""
        while True:
            await asyncio.sleep(EXCHANGE_SECONDS)
            await self.exchange(stores)

    async def exchange(self, stores: Stores) -> None:
        """Once. Redis may be away: then it is as if there were no others."""
        counts = self._counts
        fresh = {key_id: count.here - count.told for key_id, count in counts.items() if count.here > count.told}
        if not fresh:
            return
        for key_id, number in fresh.items():
            # Before the answer: should it be lost, the caller is counted once too seldom, not twice.
            counts[key_id].told += number
        shared = await exchange_counts(stores.broker, fresh, window_seconds=WINDOW_SECONDS)
        if shared is None:
            return
        self._ahead = shared.now - self._clock()
        if counts is self._counts and shared.now // WINDOW_SECONDS == self._window:
            for key_id, total in shared.sums.items():
                counts[key_id].elsewhere = max(0, total - counts[key_id].told)

    def _turn(self, now: float) -> None:
        """Begin anew where another window has begun."""
        window = int(now // WINDOW_SECONDS)
        if window != self._window:
            self._window, self._counts = window, {}

    def _refusal(self, resets_in: int) -> Problem:
        told = f"This key may ask {self._budget:,} times in {WINDOW_SECONDS} seconds: go on in {resets_in}."
        return Problem("rate_limited", told, headers={"Retry-After": str(resets_in)})
