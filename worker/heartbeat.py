"""The heartbeat: a thread with its own event loop and connection, so that no busy main loop looks like death.

It tells PostgreSQL that this worker lives, brings back everybody's counters and this worker's cancel
requests, and ends the process when the main loop has not moved for a minute.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from shared.db.heartbeat import Beat, HeartbeatConnection
from shared.logs import get_logger

BEAT_SECONDS = 1.0
WEDGED_SECONDS = 60.0
EXIT_WEDGED = 70
log = get_logger("worker.heartbeat")


@dataclass(frozen=True, slots=True)
class Reading:
    """A beat, and when it was asked for and answered: seconds of the monotonic clock."""

    beat: Beat
    asked_at: float
    answered_at: float


class Heartbeat:
    """``start`` the thread, ``tick`` from the main loop, ``stop`` at the end.

    ``heard`` is called on the main loop with each reading, and with None where a beat failed.
    """

    def __init__(
        self, url: str, worker_id: UUID, state: Callable[[], str], heard: Callable[[Reading | None], None]
    ) -> None:
        self._url = url
        self._worker_id = worker_id
        self._state = state
        self._heard = heard
        self._main = asyncio.get_running_loop()
        self._ticked_at = time.monotonic()
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def tick(self) -> None:
        """The main loop moves."""
        self._ticked_at = time.monotonic()

    async def stop(self) -> None:
        """Beat no more; returns when the thread has ended, within a statement's time-out."""
        self._is_stopping.set()
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        try:
            asyncio.run(self._beat_for_ever())
        finally:
            if not self._is_stopping.is_set():
                # Without a heartbeat others will take this worker's tasks: it must not go on unaware.
                sys.stderr.write("taskrunner worker: the heartbeat ended: exiting\n")
                os._exit(EXIT_WEDGED)

    async def _beat_for_ever(self) -> None:
        while not self._is_stopping.is_set():
            try:
                async with await HeartbeatConnection.open(self._url) as connection:
                    await self._beat_over(connection)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
                log.warning("heartbeat_failed", error=type(error).__name__)
                self._tell(None)
                self._pause()

    async def _beat_over(self, connection: HeartbeatConnection) -> None:
        while not self._is_stopping.is_set():
            asked_at = time.monotonic()
            beat = await connection.beat(self._worker_id, self._state())
            self._tell(Reading(beat, asked_at, time.monotonic()))
            self._pause()

    def _pause(self) -> None:
        """Until the next beat; ends the process where the main loop stands still."""
        # This loop has nothing else to do meanwhile, so it may block.
        self._is_stopping.wait(BEAT_SECONDS)
        stood_still = time.monotonic() - self._ticked_at
        if stood_still > WEDGED_SECONDS:
            sys.stderr.write(f"taskrunner worker: the event loop has not moved for {stood_still:.0f} s: exiting\n")
            os._exit(EXIT_WEDGED)

    def _tell(self, reading: Reading | None) -> None:
        # The main loop may be closed already, if the process is ending without stop().
        if not self._main.is_closed():
            self._main.call_soon_threadsafe(self._heard, reading)
