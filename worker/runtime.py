"""The worker's composition root: opens everything, owns every child, drains on a signal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Self

from shared.broker.keys import CANCELS_CHANNEL
from shared.broker.listener import listen_to_words
from shared.broker.wake import Waker
from shared.children import end
from shared.domain.cancels import CancelRequest
from shared.domain.errors import StoreUnavailable
from shared.domain.ids import new_id
from shared.domain.worker import WorkerInfo
from shared.logs import get_logger
from shared.metrics import LAG
from shared.notify import say_ready
from shared.queue import workers
from shared.queue.claim import Claimant
from shared.queue.limits import LimitedClaims, limits_in_force
from shared.queue.stores import Stores
from shared.registry import discover
from shared.settings import Settings
from shared.telemetry.exporting import exporting
from worker.blocking import BlockingRunner
from worker.counting import expect_types
from worker.engine.arq_jobs import ArqJobs
from worker.engine.arq_settings import job_worker
from worker.engine.pump import Pump
from worker.engine.slots import Slots
from worker.executions import Executions
from worker.handlers import Handlers, lacking_types
from worker.health import serve_health
from worker.live_board import LiveBoard
from worker.maintenance.loops import maintain
from worker.providers.ai import make_ai, what_is_lacking
from worker.providers.mail import make_mail
from worker.vitals import Vitals, audit, watch_wear

CHILD_MEMORY_MB = 4_096
"""Address space of a child that runs a blocking handler: a decompression bomb dies there, alone."""
END_SECONDS = 5.0
log = get_logger("worker")


class Runtime:
    """One worker incarnation: ``async with Runtime(settings) as runtime: await runtime.run()``."""

    def __init__(self, settings: Settings, *, burst: bool = False) -> None:
        self.settings = settings
        self._burst = burst
        self._registry = discover(settings.task_modules)
        expect_types(self._registry)
        self._stack = AsyncExitStack()
        self._release_now = asyncio.Event()
        self._was_asked = False
        self.state = "running"
        self.arq_jobs = self._arq_jobs()
        self.stores = Stores(
            settings,
            pool_size=settings.worker_pool_size,
            overflow=settings.worker_pool_overflow,
            application="taskrunner-worker",
        )

    def _arq_jobs(self) -> ArqJobs | None:
        if self.settings.arq_settings is None:
            return None
        worker = job_worker(self.settings, burst=self._burst)
        return ArqJobs(worker, grace_s=self.settings.shutdown_grace, release_now=self._release_now)

    async def __aenter__(self) -> Self:
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _open(self) -> None:
        settings, opened = self.settings, self._stack
        await opened.enter_async_context(exporting("taskrunner-worker"))  # first in, last out: the last runs have spans
        await opened.enter_async_context(self.stores)
        ai = make_ai(settings)
        opened.push_async_callback(ai.close)
        self.blocking = BlockingRunner(
            processes=settings.concurrency,
            task_modules=settings.task_modules,
            threads=settings.concurrency,
            memory_mb=CHILD_MEMORY_MB,
        )
        opened.push_async_callback(self.blocking.close)
        waker = Waker(self.stores.broker, settings.redis_url.get_secret_value(), settings.queues)
        opened.push_async_callback(waker.close)
        self.info = self._describe(lacking_types(self._registry, what_is_lacking(settings)))
        await workers.register(self.stores, self.info)
        opened.push_async_callback(self._deregister)

        self._board = LiveBoard(self.stores)
        self._handlers = Handlers(
            self.stores,
            self._registry,
            self.info.id,
            ai=ai,
            mail=make_mail(settings),
            blocking=self.blocking,
            board=self._board,
        )
        slots = Slots(settings.concurrency)
        self.executions = Executions(self._handlers, slots)
        who = Claimant(self.info.id, settings.queues, tuple(self.info.types))
        limited = LimitedClaims(self.stores, who, limits_in_force(self._registry, settings))
        self.pump = Pump(self.stores, who, slots, waker, self.executions, limited)
        self.pump.hold()  # until the first heartbeat: who has not beaten may be declared dead

    async def _deregister(self) -> None:
        with contextlib.suppress(StoreUnavailable):  # the death watch will find the row
            await workers.deregister(self.stores, self.info.id)

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def run(self) -> None:
        """Serve until drained; a child that fails ends the worker with its error."""
        log.info("worker_started", worker=str(self.info.id), queues=self.info.queues, lacks=self.info.missing)
        children = [asyncio.create_task(work, name=name) for name, work in self._children().items()]
        serving = asyncio.create_task(self._serve(), name="serve")
        say_ready()
        try:
            await _until_done(serving, children)
        finally:
            await end(serving, *children, within=END_SECONDS)
            await self.executions.abandon()
            log.info("worker_stopped", worker=str(self.info.id), tasks=self.executions.started)

    async def _serve(self) -> None:
        """Both sources, each to its end. What fails in the user's arq jobs is raised when the tasks have ended."""
        if self.arq_jobs is None:
            await self._serve_tasks()
            return
        jobs = asyncio.create_task(self.arq_jobs.run(), name="arq-jobs")
        try:
            await self._serve_tasks()
            await jobs
        finally:
            await end(jobs)

    async def _serve_tasks(self) -> None:
        await self.pump.run(burst=self._burst)
        self.state = "draining"
        self._handlers.is_stopping = True
        await self.executions.drain(self.settings.shutdown_grace, self._release_now)
        await self._board.flush()

    def _children(self) -> dict[str, Coroutine[None, None, None]]:
        return {
            "vitals": Vitals(self).watch(),
            "audit": audit(self),
            "board": self._board.flush_for_ever(),
            "cancel-channel": listen_to_words(self.settings.result_url, CANCELS_CHANNEL, self._hear_cancel),
            "wear": watch_wear(self),
            "maintenance": maintain(self.stores, self._registry),
            "health": serve_health(self),
            "loop-lag": LAG.watch(),
        }

    def _hear_cancel(self, word: str) -> None:
        self.executions.cancel(CancelRequest.parse(word))

    def drain(self) -> None:
        """Claim no more and end within the grace; asked a second time: give back at once what still runs."""
        if self._was_asked:
            self._release_now.set()
        self._was_asked = True
        self.recycle()

    def recycle(self) -> None:
        """Claim no more and end within the grace."""
        self.state = "draining"
        self._handlers.is_stopping = True
        self.pump.stop()
        if self.arq_jobs is not None:
            self.arq_jobs.stop()

    def _describe(self, missing: dict[str, str]) -> WorkerInfo:
        return WorkerInfo(
            id=new_id(),
            hostname=socket.gethostname(),
            pid=os.getpid(),
            state=self.state,
            queues=list(self.settings.queues),
            concurrency=self.settings.concurrency,
            types=[t for t in self._registry.types if t not in missing],
            missing=missing,
            pool_size=self.settings.worker_pool_size,
            pool_overflow=self.settings.worker_pool_overflow,
            version=version("async-ai-task-runner"),
            started_at=datetime.now(UTC),
            heartbeat_age=0.0,
        )


async def _until_done(work: asyncio.Task[None], children: list[asyncio.Task[None]]) -> None:
    """Until ``work`` is done; raises what it or a child raises. A child may end without an error."""
    pending = {work, *children}
    while not work.done():
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
