"""What a fault test breaks: stores of its own that can be killed, workers that are started again, and a stop-watch."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import asyncpg

from shared.domain.errors import ConfigurationError
from shared.embedded.server import Server
from tests.support.processes import Child

START_SECONDS = 60.0
RESTART_SECONDS = 0.2
POLL_SECONDS = 0.05


class Store:
    """An embedded server as a process of the test's own: killed, stopped, and started again on its data and port."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the server

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._process is not None:
            self.send(signal.SIGCONT)
            self.send(self.server.command().kill_signal)
            self._process.wait(20)
        self._log.close()

    @property
    def url(self) -> str:
        return self.server.url

    async def start(self) -> None:
        """Start it, as its supervisor would: again, while what its predecessor left is still ending."""
        deadline = time.monotonic() + START_SECONDS
        while not await self._started():
            self._log.seek(0)
            assert time.monotonic() < deadline, f"did not start:\n{self._log.read()[-2_000:].decode()}"
            await asyncio.sleep(POLL_SECONDS)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)
        self._process = None

    def suspend(self) -> None:
        """SIGSTOP: it takes connections, and answers nothing."""
        self.send(signal.SIGSTOP)

    def resume(self) -> None:
        self.send(signal.SIGCONT)

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def _started(self) -> bool:
        try:
            # In a thread, but not the start itself: a tethered process ends with the thread that made it.
            await asyncio.to_thread(self.server.prepare)
        except ConfigurationError:
            return False
        self._process = self._spawned()
        ready = asyncio.ensure_future(self.server.wait_ready(START_SECONDS))
        while not ready.done() and self._process.poll() is None:
            await asyncio.wait([ready], timeout=POLL_SECONDS)
        if ready.done() and ready.exception() is None:
            return True
        ready.cancel()
        await asyncio.gather(ready, return_exceptions=True)
        return False

    def _spawned(self) -> subprocess.Popen[bytes]:
        command = self.server.command()
        return subprocess.Popen(
            command.argv, env=command.env, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
            start_new_session=True,
        )  # fmt: skip


class Keeper:
    """Keeps a child running, as a supervisor does; ``exits`` holds the code of each one that ended."""

    def __init__(self, start: Callable[[], Child], ready_url: str) -> None:
        self.exits: list[int] = []
        self.child = start()
        self._start = start
        self._ready_url = ready_url
        self._keeping = asyncio.ensure_future(self._keep())

    async def __aenter__(self) -> Self:
        await self.ready()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._keeping.cancel()
        await asyncio.gather(self._keeping, return_exceptions=True)
        self.child.reap()

    async def ready(self) -> None:
        await self.child.wait_for_http(self._ready_url, timeout=START_SECONDS)

    async def replaced(self, before: Child) -> None:
        """Return once another child than ``before`` is ready."""
        await until(lambda: self.child is not before, START_SECONDS, "another child")
        await self.ready()

    async def _keep(self) -> None:
        while True:
            await until(lambda: self.child.returncode is not None, 3_600, "its end")
            self.exits.append(self.child.returncode or 0)
            await asyncio.sleep(RESTART_SECONDS)
            self.child = self._start()


async def until(holds: Callable[[], bool], timeout: float, what: str) -> float:
    """Poll until ``holds``; the seconds it took. Fails at the deadline."""
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < timeout, f"not within {timeout:g} s: {what}"
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - started


@asynccontextmanager
async def connected(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own, past every proxy."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", "", 1), timeout=10)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def until_value(database_url: str, query: str, *given: object, is_: object, timeout: float = 30.0) -> float:
    """Poll one value of the database until it is ``is_``; the seconds it took."""
    started = time.monotonic()
    async with connected(database_url) as connection:
        while (value := await connection.fetchval(query, *given, timeout=30)) != is_:
            assert time.monotonic() - started < timeout, f"{query} is {value!r}, not {is_!r}, after {timeout:g} s"
            await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - started


async def until_all_ended(database_url: str, timeout: float = 60.0) -> float:
    """Poll until no task waits or runs; the seconds it took."""
    unended = "SELECT count(*) FROM tasks WHERE status IN ('PENDING', 'RETRYING', 'PROCESSING')"
    return await until_value(database_url, unended, is_=0, timeout=timeout)


class Recoveries:
    """How long each fault took to be over. Added to ``CHAOS_REPORT`` (JSON lines), for the table in the docs."""

    def __init__(self) -> None:
        self._measured: list[dict[str, object]] = []

    def measured(self, fault: str, seconds: float, limit: float) -> None:
        """Keep one measurement, and hold it to its limit (seconds)."""
        self._measured.append({"fault": fault, "seconds": round(seconds, 3), "limit": limit})
        assert seconds <= limit, f"{fault}: took {seconds:.2f} s, allowed are {limit:g} s"

    def write(self) -> None:
        """A line each, behind those of other processes of the run."""
        if path := os.environ.get("CHAOS_REPORT"):
            with Path(path).open("a", encoding="utf-8") as report:
                report.writelines(json.dumps(one) + "\n" for one in self._measured)
