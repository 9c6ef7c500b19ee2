"""Cron jobs: each tick is enqueued a moment ahead, once however many workers do, and not lost to an outage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta, tzinfo

from arq.connections import ArqRedis
from arq.cron import CronJob
from arq.utils import to_unix_ms

from worker.engine.jobs.line import OUTAGE

AHEAD = timedelta(seconds=1)
LOOK_SECONDS = 0.5
CALL_SECONDS = 5.0
logger = logging.getLogger("arq.worker")


class Ticks:
    """The cron jobs of one worker. A tick that came while Redis was away is run late; further ones are not."""

    def __init__(self, jobs: Sequence[CronJob], queue: str, timezone: tzinfo | None) -> None:
        self._jobs = jobs
        self._queue = queue
        self._timezone = timezone

    def now(self) -> datetime:
        return datetime.now(tz=self._timezone)

    async def enqueue_due(self, redis: ArqRedis, now: datetime) -> None:
        """Enqueue every tick up to a second ahead of ``now``; what fails comes again with the next look."""
        for job in self._jobs:
            if job.next_run is None:
                if not job.run_at_startup:
                    job.calculate_next(now)
                    continue
                job.next_run = now
            if job.next_run < now + AHEAD:
                await self._enqueue(redis, job, job.next_run, now)

    async def _enqueue(self, redis: ArqRedis, job: CronJob, tick: datetime, now: datetime) -> None:
        job_id = job.job_id or (f"{job.name}:{to_unix_ms(tick)}" if job.unique else None)
        until = tick if tick > now else None
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await redis.enqueue_job(job.name, _job_id=job_id, _queue_name=self._queue, _defer_until=until)
        except OUTAGE as error:
            logger.warning("cron job %s is not enqueued yet: %s", job.name, type(error).__name__)
        else:
            job.calculate_next(max(tick, now - timedelta(seconds=1)))
