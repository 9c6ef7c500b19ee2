"""``python -m benchmarks.peers ADAPTER prepare|many|one …``: what is asked of an adapter, in its own environment.

The answer is one JSON document on stdout. Standard library only, and the adapter's.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peers.ledger import FOLDER, Ledger

FIRST_LIMIT_S, NEXT_LIMIT_S = 20.0, 5.0
"""The first pick-up waits for the worker to be up."""
LOOK_S = 0.000_5
IDLE_S = 0.01
"""After a task, before the next one at the earliest."""
GOLDEN = (5**0.5 - 1) / 2
"""Its multiples spread evenly over an interval, however many they are."""


async def many(adapter: Any, count: int) -> dict[str, float]:
    """Seconds to submit ``count`` tasks; connecting is not counted."""
    async with adapter.producer() as producer:
        began_at = time.perf_counter()
        await producer.many(count)
        return {"seconds": time.perf_counter() - began_at}


async def one_by_one(adapter: Any, count: int, spread_s: float) -> dict[str, list[float]]:
    """Milliseconds from the submitting call, and from its return, to the handler's first line; each to an idle worker.

    Where a worker is faster than the answer to the call, the second is negative.
    """
    ledger, waits, starts = Ledger(Path(os.environ[FOLDER])), [], []
    async with adapter.producer() as producer:
        await producer.one(0)
        await _entered(ledger, 0, FIRST_LIMIT_S)  # it is up and warm; not counted
        for number in range(1, count + 1):
            await asyncio.sleep(IDLE_S + number * GOLDEN % 1 * spread_s)
            called_ns = time.monotonic_ns()
            await producer.one(number)
            returned_ns = time.monotonic_ns()
            entered_ns = await _entered(ledger, number, NEXT_LIMIT_S)
            waits.append((entered_ns - called_ns) / 1e6)
            starts.append((entered_ns - returned_ns) / 1e6)
    return {"waits_ms": waits, "starts_ms": starts}


async def _entered(ledger: Ledger, number: int, limit_s: float) -> int:
    gives_up_at = time.monotonic() + limit_s
    while (at := ledger.entered_ns(number)) is None:
        if time.monotonic() > gives_up_at:
            raise TimeoutError(f"task {number} was not started within {limit_s:g} s")
        await asyncio.sleep(LOOK_S)
    return at


async def answer(name: str, asked: list[str]) -> dict[str, Any]:
    adapter = importlib.import_module(f"benchmarks.peers.{name}")
    match asked:
        case ["prepare"]:
            if hasattr(adapter, "prepare"):
                await adapter.prepare()
            return {}
        case ["many", count]:
            return await many(adapter, int(count))
        case ["one", count, spread_s]:
            return await one_by_one(adapter, int(count), float(spread_s))
        case _:
            raise SystemExit(f"unknown: {asked}")


if __name__ == "__main__":
    json.dump(asyncio.run(answer(sys.argv[1], sys.argv[2:])), sys.stdout)
