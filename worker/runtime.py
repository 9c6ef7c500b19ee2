"""The worker's composition root: opens everything, owns every child, drains on a signal."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Self

from shared.broker.keys import CANCELS_CHANNEL
from shared.broker.listener import listen
from shared.broker.wake import Waker
from shared.children import end
from shared.domain.ids import new_id
from shared.domain.task import WorkerInfo
from shared.logs import get_logger
from shared.queue import workers
from shared.queue.claim import Claimant
from shared.queue.stores import Stores
from shared.registry import discover
from shared.settings import Settings
from worker.blocking import BlockingRunner
from worker.context import LiveBoard
from worker.engine.pump import Pump
from worker.engine.slots import Slots
from worker.executions import Executions
from worker.health import serve_health
from worker.maintenance.loops import maintain
from worker.providers.ai import make_ai, what_is_lacking
from worker.providers.mail import make_mail
from worker.runs import Handlers, lacking_types
from worker.vitals import audit, live, watch_wear

CHILD_MEMORY_MB = 4_096
"""Address space of a child that runs a blocking handler: a decompression bomb dies there, alone."""
log = get_logger("worker")


class Runtime:
    """One worker incarnation: ``async with Runtime(settings) as runtime: await runtime.run()``."""

    def __init__(self, settings: Settings, *, burst: bool = False) -> None:
        self.settings = settings
        self._burst = burst
        self._registry = discover(settings.task_modules)
        self._stack = AsyncExitStack()
        self._release_now = asyncio.Event()
        self.state = "running"
        self.stores = Stores(
            settings,
            pool_size=settings.worker_pool_size,
            overflow=settings.worker_pool_overflow,
            application="taskrunner-worker",
        )

    async def __aenter__(self) -> Self:
        settings, opened = self.settings, self._stack
        await opened.enter_async_context(self.stores)
        ai = make_ai(settings)
        opened.push_async_callback(ai.close)
        blocking = BlockingRunner(
            processes=settings.concurrency,
            task_modules=settings.task_modules,
            threads=settings.concurrency,
            memory_mb=CHILD_MEMORY_MB,
        )
        opened.push_async_callback(blocking.close)
        waker = Waker(self.stores.broker, settings.redis_url.get_secret_value(), settings.queues)
        opened.push_async_callback(waker.close)
        self.info = self._describe(lacking_types(self._registry, what_is_lacking(settings)))
        await workers.register(self.stores, self.info)
        opened.push_async_callback(workers.deregister, self.stores, self.info.id)

        self._board = LiveBoard(self.stores)
        handlers = Handlers(
            self.stores,
            self._registry,
            self.info.id,
            ai=ai,
            mail=make_mail(settings),
            blocking=blocking,
            board=self._board,
        )
        slots = Slots(settings.concurrency)
        self.executions = Executions(handlers, slots)
        who = Claimant(self.info.id, settings.queues, tuple(self.info.types))
        self.pump = Pump(self.stores, who, slots, waker, self.executions)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def run(self) -> None:
        """Serve until drained; a child that fails unexpectedly ends the worker with its error."""
        log.info("worker_started", worker=str(self.info.id), queues=self.info.queues, lacks=self.info.missing)
        try:
            async with asyncio.TaskGroup() as group:
                children = [group.create_task(work, name=name) for name, work in self._children().items()]
                await self.pump.run(burst=self._burst)
                self.state = "draining"
                await self.executions.drain(self.settings.shutdown_grace, self._release_now)
                await self._board.flush()
                await end(*children)
        finally:
            await self.executions.abandon()
        log.info("worker_stopped", worker=str(self.info.id), tasks=self.executions.started)

    def _children(self) -> dict[str, Coroutine[None, None, None]]:
        return {
            "vitals": live(self),
            "audit": audit(self),
            "board": self._board.flush_for_ever(),
            "cancel-channel": listen(self.settings.result_url, CANCELS_CHANNEL, self.executions.cancel),
            "wear": watch_wear(self),
            "maintenance": maintain(self.stores),
            "health": serve_health(self),
        }

    def drain(self) -> None:
        """Claim no more and end within the grace; called again: give back at once what still runs."""
        if self.state == "draining":
            self._release_now.set()
        self.state = "draining"
        self.pump.stop()

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
