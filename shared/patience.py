"""Waiting for an answer by turns of our own loop: time in which the loop stood still is not held against anybody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

TURN_SECONDS = 0.1


async def in_turns(work: Awaitable[T], turns: int) -> T:
    """What ``work`` gives within so many tenths of a second.

    Raises: TimeoutError. ``work`` is cancelled then, and not waited for: what it cleans up may take its time.
    """
    task = asyncio.ensure_future(work)
    try:
        for _ in range(turns):
            await asyncio.wait({task}, timeout=TURN_SECONDS)
            if task.done():
                return task.result()
        raise TimeoutError
    finally:
        task.add_done_callback(_forgotten)
        task.cancel()


def _forgotten(task: asyncio.Future[T]) -> None:
    """Nobody is left to be told of its error."""
    if not task.cancelled():
        task.exception()
