"""Settings for arq's command line, with functions of the tests': ``arq tests.support.arq_jobs.WorkerSettings``.

REDIS_URL names the Redis. Each run of ``work`` notes its start and end in the list ``ledger``.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import arq.worker
from arq.connections import RedisSettings

from worker.engine.jobs import JobWorker

arq.worker.Worker = JobWorker  # type: ignore[misc] # arq's command line builds it by that name


async def work(ctx: dict[str, Any], seconds: float = 0.0) -> int:
    await note(ctx, "start")
    await asyncio.sleep(seconds)
    await note(ctx, "end")
    return int(ctx["job_try"])


async def note(ctx: dict[str, Any], what: str) -> None:
    """Beside the worker's own connections, which a fault test may break."""
    await ctx["ledger"].rpush("ledger", f"{what} {ctx['job_id']} {ctx['job_try']}")


async def begin(ctx: dict[str, Any]) -> None:
    settings = RedisSettings.from_dsn(os.environ.get("LEDGER_URL", os.environ["REDIS_URL"]))
    ctx["ledger"] = await arq.create_pool(settings)


async def finish(ctx: dict[str, Any]) -> None:
    await ctx["ledger"].aclose()


class WorkerSettings:
    """Read by arq's command line."""

    functions = (work,)
    redis_settings = RedisSettings.from_dsn(os.environ.get("REDIS_URL", "redis://127.0.0.1:1/0"))
    on_startup = begin
    on_shutdown = finish
    max_jobs = int(os.environ.get("MAX_JOBS", "10"))
    lease = float(os.environ.get("LEASE", "10"))
    job_completion_wait = int(os.environ.get("COMPLETION_WAIT", "0"))
    allow_abort_jobs = True
