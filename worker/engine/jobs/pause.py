"""Pause and resume a queue of plain arq jobs. It holds for workers of this engine; stock arq knows no pause."""

from __future__ import annotations

from redis.asyncio import Redis

from worker.engine.jobs.keys import paused_key, wake_key
from worker.engine.jobs.wake import wake


async def pause_queue(redis: Redis, queue: str) -> None:
    """From now on nothing of ``queue`` is claimed; what runs goes on. It lasts until somebody resumes."""
    await redis.set(paused_key(queue), 1)


async def resume_queue(redis: Redis, queue: str) -> None:
    """Claim from ``queue`` again, at once."""
    await redis.delete(paused_key(queue))
    await wake(redis, wake_key(queue))
