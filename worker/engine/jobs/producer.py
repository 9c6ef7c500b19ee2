"""An ``ArqRedis`` whose jobs start at once: one script call adds the job and wakes a worker."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Self, cast
from uuid import uuid4

from arq.connections import ArqRedis
from arq.jobs import Job, serialize_job
from arq.typing import SecondsTimedelta
from arq.utils import to_ms, to_unix_ms
from redis.exceptions import NoScriptError

from worker.engine.jobs.calls import now_ms
from worker.engine.jobs.scripts import ENQUEUE


class WakingRedis(ArqRedis):
    """arq's client, with an ``enqueue_job`` of one round trip. A delay counts on the server's clock."""

    @classmethod
    def of(cls, redis: ArqRedis) -> Self:
        """The same pool, settings and serialiser as ``redis``."""
        return cls(
            redis.connection_pool,
            redis.job_serializer,
            redis.job_deserializer,
            redis.default_queue_name,
            redis.expires_extra_ms,
        )

    async def enqueue_job(
        self,
        function: str,
        *args: Any,
        _job_id: str | None = None,
        _queue_name: str | None = None,
        _defer_until: datetime | None = None,
        _defer_by: SecondsTimedelta | None = None,
        _expires: SecondsTimedelta | None = None,
        _job_try: int | None = None,
        **kwargs: Any,
    ) -> Job | None:
        """As arq's: None if a job of this id waits, runs, or has left a result."""
        if _defer_until and _defer_by:
            raise RuntimeError("give _defer_until or _defer_by, not both")
        job_id, queue, now = _job_id or uuid4().hex, _queue_name or self.default_queue_name, now_ms()
        payload = serialize_job(function, args, kwargs, _job_try, now, serializer=self.job_serializer)
        due = now if _defer_until is None else to_unix_ms(_defer_until)
        delay: int | str = "" if _defer_until is not None else to_ms(_defer_by) or 0
        ahead = delay if isinstance(delay, int) else due - now
        lives_ms = to_ms(_expires) or ahead + self.expires_extra_ms
        given = (queue, job_id, payload, max(1, lives_ms), delay, due)
        try:
            added = await self._evaluated("EVALSHA", ENQUEUE.sha, given)
        except NoScriptError:
            added = await self._evaluated("EVAL", ENQUEUE.text, given)
        return Job(job_id, self, queue, self.job_deserializer) if added else None

    async def _evaluated(self, command: str, script: str, given: tuple[Any, ...]) -> int:
        async with asyncio.timeout(5):
            call = self.execute_command(command, script, 1, *given)  # type: ignore[no-untyped-call]
            return cast("int", await call)
