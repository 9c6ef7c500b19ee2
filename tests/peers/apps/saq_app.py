"""SAQ: its worker (which sweeps, every 60 s) and its producer. Runs in SAQ's own environment."""

# mypy: disable-error-code="import-not-found, untyped-decorator"
# It is installed in its own environment only.
from __future__ import annotations

import asyncio
import os
import uuid
from typing import Any

from saq import Queue

from tests.peers.apps.producing import produced
from tests.support.ledger import write

queue = Queue.from_url(os.environ["PEER_REDIS_URL"])
OPTIONS = {"retries": int(os.environ["PEER_RETRIES"])} if "PEER_RETRIES" in os.environ else {}


async def work(ctx: dict[str, Any], *, name: str, seconds: float) -> None:
    token = uuid.uuid4().hex
    job = ctx["job"]
    write(os.environ["PEER_LEDGER"], "start", job.key, job.attempts, name, token)
    await asyncio.sleep(seconds)
    write(os.environ["PEER_LEDGER"], "end", job.key, job.attempts, name, token)


settings = {"queue": queue, "functions": [work], "concurrency": int(os.environ["PEER_SLOTS"])}


async def submit(names: list[str], seconds: float) -> None:
    await queue.connect()
    for name in names:
        await queue.enqueue("work", name=name, seconds=seconds, **OPTIONS)


if __name__ == "__main__":
    produced(lambda names, seconds: asyncio.run(submit(names, seconds)))
