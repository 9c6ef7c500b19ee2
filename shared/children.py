"""Ending child tasks for certain."""

from __future__ import annotations

import asyncio
from typing import Any

CANCEL_AGAIN_SECONDS = 0.5


async def end(*children: asyncio.Task[Any]) -> None:
    """Cancel ``children`` until they have ended; what they raise is theirs.

    Once is not enough: redis-py uses ``wait_for``, which in Python 3.11 drops a cancel that meets an answer.
    """
    while pending := [child for child in children if not child.done()]:
        for child in pending:
            child.cancel()
        await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
