"""``JobWorker``: an ``arq.worker.Worker`` that runs plain arq jobs by leases and batches.

It takes arq's options and keeps arq's keys; what runs a job is ours. docs/arq-compatibility.md says what differs.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Sequence
from signal import Signals
from typing import Any

import arq.worker
from arq.connections import RedisSettings, create_pool, log_redis_info
from arq.typing import SecondsTimedelta, WorkerCoroutine
from arq.utils import to_seconds

from shared.broker.connection import mend_writes
from shared.children import end
from shared.heap import leave_to_the_process
from worker.engine.jobs.line import OUTAGE, Line
from worker.engine.jobs.producer import WakingRedis
from worker.engine.jobs.pump import Pump, Terms
from worker.engine.jobs.runner import Runner, call_hook
from worker.engine.jobs.ticks import LOOK_SECONDS, Ticks
from worker.engine.jobs.wake import listen

LEASE_SECONDS = 10.0
CLOSE_SECONDS = 5.0
logger = logging.getLogger("arq.worker")


class JobWorker(arq.worker.Worker):
    """arq's worker, faster. Besides arq's options:

    ``queues``: several queues, the first before the others; else ``queue_name`` alone.
    ``lease``: after how long a dead worker's jobs run again; a handler that blocks the loop for longer loses its job.
    """

    def __init__(
        self,
        functions: Sequence[arq.worker.Function | WorkerCoroutine] = (),
        *,
        queues: Sequence[str] | None = None,
        lease: SecondsTimedelta = LEASE_SECONDS,
        **options: Any,
    ) -> None:
        if queues:
            options["queue_name"] = queues[0]
        super().__init__(functions, **options)
        self.queues = tuple(queues or (self.queue_name,))
        self._lease_s = float(to_seconds(lease))
        self._line: Line | None = None

    @property
    def started(self) -> int:
        """How many jobs have begun."""
        return self._jobs_started()

    @property
    def is_serving(self) -> bool:
        """Whether it works, and Redis answers."""
        return self._line is not None and not self._line.is_away

    def run(self) -> None:
        """As arq's, in a process of its own."""
        leave_to_the_process()
        super().run()

    async def until_idle(self) -> None:
        """Return when nothing runs."""
        while self.tasks:
            await asyncio.wait(list(self.tasks.values()))

    async def main(self) -> None:
        """Work until cancelled, or in burst mode until nothing is left. What ended is recorded before it returns."""
        await self._open()
        self._line = line = Line(self.pool, self.queues)
        pump = Pump(line, Runner(self, self.queues), self._terms(), self.tasks, lambda: self.allow_pick_jobs)
        pumping = asyncio.create_task(pump.run(), name="pump")
        beside = [asyncio.create_task(listen(self.pool, self.queues, pump)), asyncio.create_task(self._keep_house())]
        try:
            done, _ = await asyncio.wait([pumping, *beside], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end(*beside)
            try:
                await self._stop(pump, pumping)
            finally:
                await line.close()
                self._line = None

    async def close(self) -> None:
        """Let what runs end and be recorded, call ``on_shutdown``, and close the connections."""
        if not self._handle_signals:
            self.handle_sig(Signals.SIGUSR1)
        main = self.main_task
        if main is not None and main is not asyncio.current_task():
            if not main.done() and not main.cancelling():
                main.cancel()
            await asyncio.wait([main])
        if self._pool is None:
            return
        with contextlib.suppress(*OUTAGE):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.pool.delete(self.health_check_key)
        await call_hook(self.on_shutdown, self.ctx)
        with contextlib.suppress(*OUTAGE):
            await self.pool.aclose(close_connection_pool=True)
        self._pool = None

    async def _open(self) -> None:
        if self._pool is None:
            settings = self.redis_settings or RedisSettings()
            tries, seconds = settings.conn_retries + 1, settings.conn_timeout + settings.conn_retry_delay
            # A server that takes connections and says nothing would be waited for without end.
            async with asyncio.timeout(tries * seconds + CLOSE_SECONDS):
                pool = await create_pool(
                    settings,
                    job_deserializer=self.job_deserializer,
                    job_serializer=self.job_serializer,
                    default_queue_name=self.queue_name,
                    expires_extra_ms=self.expires_extra_ms,
                )
            # The one connection that it has was made as arq does.
            await pool.connection_pool.disconnect()
            pool.connection_pool.reset()  # type: ignore[no-untyped-call] # redis-py's own gap
            mend_writes(pool.connection_pool)
            self._pool = WakingRedis.of(pool)
        logger.info("starting for %d functions: %s", len(self.functions), ", ".join(self.functions))
        with contextlib.suppress(*OUTAGE):
            async with asyncio.timeout(CLOSE_SECONDS):
                await log_redis_info(self.pool, logger.info)
        self.ctx["redis"] = self.pool
        if self.on_startup:
            try:
                await self.on_startup(self.ctx)
            except SystemExit as error:
                # It would end the loop, and whatever else runs on it.
                raise RuntimeError(f"on_startup called sys.exit({error.code!r})") from error

    def _terms(self) -> Terms:
        return Terms(
            queues=self.queues,
            max_jobs=self.max_jobs,
            lease_s=self._lease_s,
            allow_abort=self.allow_abort_jobs,
            burst=self.burst,
            max_burst_jobs=self.max_burst_jobs,
            after_job_end=self.after_job_end,
        )

    async def _keep_house(self) -> None:
        """The health check's key and the cron jobs' ticks."""
        ticks = Ticks(self.cron_jobs, self.queue_name, self.timezone)
        while True:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self.record_health()
            except OUTAGE as error:
                self._last_health_check = 0
                logger.debug("health is not recorded: %s", error)
            await ticks.enqueue_due(self.pool, ticks.now())
            await asyncio.sleep(LOOK_SECONDS)

    async def _stop(self, pump: Pump, pumping: asyncio.Task[None]) -> None:
        """Cancel what runs, and record how it ended. A second cancel leaves the rest to the leases."""
        pump.stop()
        for task in list(self.tasks.values()):
            if not task.cancelling():  # the signal may have done so: a job that cleans up is not disturbed again
                task.cancel()
        try:
            await asyncio.shield(pumping)
        except asyncio.CancelledError:
            await end(pumping)
            raise


def _options() -> inspect.Signature:
    """arq's command line passes on the options it finds in the signature: arq's, and ours."""
    theirs = inspect.signature(arq.worker.Worker).parameters
    own = inspect.signature(JobWorker.__init__).parameters
    return inspect.Signature([*theirs.values(), own["queues"], own["lease"]])


JobWorker.__signature__ = _options()  # type: ignore[attr-defined] # read by inspect.signature
