"""arq: its worker and its producer, with the defaults of both but for the slots. Runs in arq's own environment."""

from __future__ import annotations

import asyncio
import os
import uuid
from typing import Any

from arq import create_pool
from arq.connections import RedisSettings

from tests.peers.apps.producing import produced
from tests.support.ledger import write


async def work(ctx: dict[str, Any], name: str, seconds: float) -> None:
    token = uuid.uuid4().hex
    write(os.environ["PEER_LEDGER"], "start", ctx["job_id"], ctx["job_try"], name, token)
    await asyncio.sleep(seconds)
    write(os.environ["PEER_LEDGER"], "end", ctx["job_id"], ctx["job_try"], name, token)


class WorkerSettings:
    functions = (work,)
    redis_settings = RedisSettings.from_dsn(os.environ["PEER_REDIS_URL"])
    max_jobs = int(os.environ["PEER_SLOTS"])


async def submit(names: list[str], seconds: float) -> None:
    pool = await create_pool(WorkerSettings.redis_settings)
    for name in names:
        await pool.enqueue_job("work", name, seconds)


if __name__ == "__main__":
    produced(lambda names, seconds: asyncio.run(submit(names, seconds)))
