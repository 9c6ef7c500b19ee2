"""Ending child tasks for certain."""

from __future__ import annotations

import asyncio
import time
from typing import Any

CANCEL_AGAIN_SECONDS = 0.5


async def end(*children: asyncio.Task[Any], within: float | None = None) -> bool:
    """Cancel ``children`` until they have ended; what they raise is theirs. False: not all did ``within`` seconds.

    Once is not enough: redis-py uses ``wait_for``, which in Python 3.11 drops a cancel that meets an answer
    (27 of 60 cancels of a loop of pings).
    """
    deadline = None if within is None else time.monotonic() + within
    while pending := [child for child in children if not child.done()]:
        if deadline is not None and time.monotonic() >= deadline:
            return False
        for child in pending:
            child.cancel()
        await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
    return True
