"""Old records leave in short batches, however many there are: one long DELETE would meet a time-out, each time anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncSession

from shared.queue.stores import Stores

BATCH = 1_000
PAUSES = 1
"""The length of a pause, in lengths of the batch before it: at most half of one connection's time is spent."""
ROUND_SECONDS = 30.0
"""A round ends then; the chore's next turn goes on where it ended."""


async def prune_in_batches(
    stores: Stores, prune: Callable[[AsyncSession, int], Awaitable[int]], *, batch: int = BATCH
) -> int:
    """Call ``prune`` with a session and the most it may remove, until it finds less; returns how many were removed.

    ``prune`` passes by what another process holds. Raises: StoreUnavailable.
    """
    ends_at, removed = time.monotonic() + ROUND_SECONDS, 0
    while True:
        began = time.monotonic()
        async with stores.db.autocommit() as session:
            found = await prune(session, batch)
        removed += found
        if found < batch or time.monotonic() > ends_at:
            return removed
        await asyncio.sleep(PAUSES * (time.monotonic() - began))
