"""The user's own arq functions, served by this process beside the tasks: their start, their end, their failures.

Tasks and jobs share the event loop and the signals. An outage of Redis, or a crash of the part that runs the jobs, is
waited out here: it neither delays a task nor ends one.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

from shared.children import end
from shared.logs import get_logger
from worker.engine.jobs import OUTAGE, JobWorker

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
CALM_SECONDS = 60.0
"""What ran for so long failed anew: its first pause is a short one again."""
CANCEL_GRACE_SECONDS = 5.0
"""How long cancelled jobs and ``on_shutdown`` may take; then the leases of the jobs end by themselves."""
log = get_logger("worker.arq_jobs")


class ArqJobs:
    """Serves the jobs of one ``JobWorker`` until stopped."""

    def __init__(self, worker: JobWorker, *, grace_s: float, release_now: asyncio.Event) -> None:
        self._worker = worker
        self._grace_s = grace_s
        self._release_now = release_now
        self._stopping = asyncio.Event()

    @property
    def started(self) -> int:
        """How many jobs have begun here."""
        return self._worker.started

    def health(self) -> dict[str, Any]:
        worker = self._worker
        return {
            "status": "ok" if worker.is_serving else "down",
            "queues": list(worker.queues),
            "running": len(worker.tasks),
            "complete": worker.jobs_complete,
            "failed": worker.jobs_failed,
            "retried": worker.jobs_retried,
        }

    def stop(self) -> None:
        """Begin no more jobs; ``run`` returns when those that run have ended, at the end of the grace at the latest."""
        self._worker.allow_pick_jobs = False
        self._stopping.set()

    async def run(self) -> None:
        """Serve until stopped; in burst mode, until nothing is left. What fails is started again, later each time.

        Raises: in burst mode, what failed.
        """
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began_at = time.monotonic()
            try:
                await self._serve()
            except Exception as error:
                # A hook of the user's may raise anything, and no arq job is worth the tasks beside it.
                if self._worker.burst:
                    raise
                if time.monotonic() - began_at > CALM_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                _tell(error, pause)
            else:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _serve(self) -> None:
        worker = self._worker
        main = worker.main_task = asyncio.create_task(worker.main(), name="arq-jobs")
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({main, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not main.done():
                await self._finish_jobs(main)
        finally:
            await end(stopping)
            await self._close(main)
        if not main.cancelled():
            main.result()

    async def _finish_jobs(self, main: asyncio.Task[None]) -> None:
        """Let what runs end: for the grace, or until somebody asks a second time."""
        hurry = asyncio.create_task(self._release_now.wait())
        idle = asyncio.create_task(self._worker.until_idle())
        try:
            await asyncio.wait({main, hurry, idle}, timeout=self._grace_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end(hurry, idle)

    async def _close(self, main: asyncio.Task[None]) -> None:
        """Give back what still runs. A job that ignores its cancel is left to its lease."""
        for _ in range(2):
            try:
                async with asyncio.timeout(CANCEL_GRACE_SECONDS):
                    await self._worker.close()
            except TimeoutError:
                log.warning("arq_jobs_ignored_their_cancel", after_seconds=CANCEL_GRACE_SECONDS)
                await end(main)
            else:
                return


def _tell(error: Exception, pause: float) -> None:
    if isinstance(error, OUTAGE):
        log.warning("arq_jobs_wait", reason=f"{type(error).__name__}: {error}", again_in_seconds=pause)
    else:
        log.error("arq_jobs_failed", again_in_seconds=pause, exc_info=error)
