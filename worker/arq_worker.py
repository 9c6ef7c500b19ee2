"""Our ``arq.worker.Worker``: arq's command line, signals and health check around our own pump.

The jobs in Redis are hints; the task's row says whether and by whom it runs. So arq's polling,
in-progress keys and pickled payloads are not used, and nothing in Redis lives as long as a run.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from signal import Signals
from typing import Any

import arq.worker
import uvloop
from arq.connections import RedisSettings

from shared.broker.keys import TASK_FUNCTION
from shared.domain.errors import ConfigurationError, StoreUnavailable, why_unavailable
from shared.heap import leave_to_the_process
from shared.logs import configure_logs, get_logger
from shared.settings import Settings, load_settings
from worker.runtime import Runtime
from worker.vitals import DeclaredDead

EXIT_UNREACHABLE = 5
EXIT_DECLARED_DEAD = 75
"""EX_TEMPFAIL: the supervisor should start another."""
LAST_SECONDS = 5.0
"""For a worker that was declared dead to end in order."""
log = get_logger("worker")


class TaskWorker(arq.worker.Worker):
    """What ``arq worker.WorkerSettings`` builds and runs. ``burst``: stop when nothing is due."""

    def __init__(
        self,
        *,
        settings: Settings | None = None,
        redis_settings: RedisSettings | None = None,
        health_check_key: str | None = None,
        burst: bool = False,
        handle_signals: bool = True,
    ) -> None:
        self._settings = settings or load_settings()
        configure_logs(self._settings)
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            asyncio.set_event_loop(uvloop.new_event_loop())
        self._runtime: Runtime | None = None
        super().__init__(
            [arq.worker.func(_never_called, name=TASK_FUNCTION)],  # type: ignore[arg-type] # a protocol of **kwargs
            redis_settings=redis_settings,
            health_check_key=health_check_key,
            burst=burst,
            handle_signals=handle_signals,
            job_serializer=_refuse,
            job_deserializer=_refuse,
        )

    def run(self) -> None:
        """Run until drained. A setting that turns out wrong, or no database, is one line and status 2 or 5."""
        try:
            self.loop.run_until_complete(self.main())
        except ConfigurationError as error:
            sys.stderr.write(f"taskrunner worker: {error}\n")
            raise SystemExit(2) from None
        except StoreUnavailable as error:
            sys.stderr.write(f"taskrunner worker: {why_unavailable(error)}\n")
            raise SystemExit(EXIT_UNREACHABLE) from None
        finally:
            self.loop.close()

    async def main(self) -> None:
        # arq's own dictConfig has run since __init__: ours goes last.
        configure_logs(self._settings)
        async with Runtime(self._settings, burst=self.burst) as self._runtime:
            leave_to_the_process()
            try:
                await self._runtime.run()
            except DeclaredDead:
                sys.stderr.write("taskrunner worker: others declared this worker dead: starting anew\n")
                _exit_soon(EXIT_DECLARED_DEAD)
                raise SystemExit(EXIT_DECLARED_DEAD) from None

    def handle_sig(self, signum: Signals) -> None:
        """The first signal drains within the grace; a second one releases what still runs at once."""
        log.info("signal_received", signal=Signals(signum).name)
        if self._runtime is None:
            raise SystemExit(0)
        self._runtime.drain()

    async def close(self) -> None:
        """Nothing is left to close: the runtime closed what it opened."""


def _exit_soon(code: int) -> None:
    """End the process in any case: a handler may swallow its cancel, a thread of its own may never return."""
    timer = threading.Timer(LAST_SECONDS, os._exit, (code,))
    timer.daemon = True
    timer.start()


async def _never_called(_ctx: dict[str, Any], task_id: str) -> None:
    raise AssertionError(f"task {task_id}: hints are taken by the pump, not run as arq jobs")


def _refuse(*_: Any) -> Any:
    raise AssertionError("no arq payload is ever serialised or read here; arq's default would be pickle")
