"""For libraries without a batch: many single calls, so many at once. Standard library only."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

AT_ONCE = 64
"""As many callers as the HTTP load has connections."""


async def submit_each(submit: Callable[[], Awaitable[object]], count: int) -> None:
    """Call ``submit`` ``count`` times, by ``AT_ONCE`` callers."""
    turns = iter(range(count))

    async def caller() -> None:
        for _ in turns:
            await submit()

    await asyncio.gather(*(caller() for _ in range(min(AT_ONCE, count))))
