"""What every adapter knows: where the stores are, and what a producer is. Standard library only.

An adapter is a module with a task whose handler calls ``entered``, a ``producer`` (an async context manager that gives
a ``Producer``), and where the library has tables, an async ``prepare``. Its worker is the library's own command.
"""

from __future__ import annotations

import os
from typing import Protocol

SLOTS = int(os.environ.get("BENCH_SLOTS", "100"))
"""Tasks a worker runs at once, where the library has such a thing."""
REDIS_URL = os.environ.get("BENCH_REDIS", "redis://127.0.0.1:6379/0")
POSTGRES_URL = os.environ.get("BENCH_POSTGRES", "postgresql://127.0.0.1/bench")
VARIANT = os.environ.get("BENCH_VARIANT", "")


class Producer(Protocol):
    """Submits no-op tasks. ``many`` may do it in any documented way; both return once all are stored."""

    async def many(self, count: int) -> None: ...

    async def one(self, number: int) -> None: ...
