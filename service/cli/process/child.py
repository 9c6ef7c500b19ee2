"""One supervised child process: started, watched, started again when it dies, stopped. Nothing about order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass

from service.cli.process.console import Console

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
STEADY_AFTER_S = 60.0
OBSTACLE_LOOK_S = 0.5
KILL_TIMEOUT_S = 5.0
LEFTOVER_OUTPUT_S = 1.0
LONGEST_LINE = 16_384


@dataclass(frozen=True)
class Service:
    """What to run. ``ready`` returns once it answers; ``argv`` dies with its parent (see shared.embedded.tether)."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    ready: Callable[[], Awaitable[None]]
    stop_signal: signal.Signals = signal.SIGTERM
    kill_signal: signal.Signals = signal.SIGKILL
    grace: float = 10.0
    first_starts: int = 1
    """How often it may end before it is ready for the first time."""
    pass_fds: tuple[int, ...] = ()
    successor: Callable[[], Service] | None = None
    """Makes the service that takes over while this one still runs; None: there must never be two."""
    obstacle: Callable[[], str | None] = lambda: None
    """Why it could not run just now (a full disk), if that can be seen from outside."""


class StartFailed(Exception):
    """A service did not become ready."""


def restart_delay(previous: float, uptime: float, code: int) -> float:
    """Seconds until the next start: doubling, reset by a minute of life or a clean end (a recycled worker's)."""
    if previous == 0 or uptime >= STEADY_AFTER_S or code == 0:
        return FIRST_DELAY_S
    return min(previous * 2, LONGEST_DELAY_S)


class Child:
    """A service and its process of the moment."""

    def __init__(self, service: Service, console: Console) -> None:
        self.service = service
        self._console = console
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Condition()
        self._ends = 0

    async def keep(self) -> None:
        """Run the service, again and again, until ``stop``."""
        delay = 0.0
        while not self._stopping.is_set():
            began = time.monotonic()
            code = await self._run_once()
            if self._stopping.is_set():
                break
            delay = restart_delay(delay, time.monotonic() - began, code)
            await self._pause(f"{self.service.name} ended ({describe_exit(code)})", delay)

    async def until_ready(self) -> None:
        """Raises: StartFailed, when it ends or stays silent instead."""
        ready = asyncio.ensure_future(self.service.ready())
        gave_up = asyncio.ensure_future(self._ended_too_often())
        try:
            await asyncio.wait({ready, gave_up}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.done():
                raise StartFailed(f"{self.service.name} ended before it was ready: see its lines above")
            ready.result()
        except TimeoutError as error:
            raise StartFailed(f"{self.service.name} did not become ready: {error}") from error
        finally:
            ready.cancel()
            gave_up.cancel()

    async def stop(self, forced: asyncio.Event) -> None:
        """Ask it to end, wait its grace, and end it; at once when ``forced`` is set. Returns when it is gone."""
        self._stopping.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        ended = asyncio.ensure_future(process.wait())
        pressed = asyncio.ensure_future(forced.wait())
        self._signal(self.service.stop_signal)
        await asyncio.wait({ended, pressed}, timeout=self.service.grace, return_when=asyncio.FIRST_COMPLETED)
        pressed.cancel()
        for last in (self.service.kill_signal, signal.SIGKILL):
            if ended.done():
                break
            self._console.note(f"{self.service.name} is killed")
            self._signal(last)
            await asyncio.wait({ended}, timeout=KILL_TIMEOUT_S)
        ended.cancel()

    async def _run_once(self) -> int:
        read_end, write_end = os.pipe()
        try:
            # Its own session: the terminal's Ctrl-C reaches us alone. A pipe of our own, because asyncio's wait()
            # would last until the last heir of its pipe is gone.
            self._process = await asyncio.create_subprocess_exec(
                *self.service.argv,
                env=dict(self.service.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                start_new_session=True,
                pass_fds=self.service.pass_fds,
            )
        except BaseException:
            # Cancelled or refused alike: nobody will read this end.
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        if self._stopping.is_set():  # stop() came while there was no process to tell
            self._signal(self.service.kill_signal)
        relay = asyncio.create_task(self._relay(read_end))
        code = await self._process.wait()
        _sweep(self._process.pid)
        await _within(asyncio.shield(relay), LEFTOVER_OUTPUT_S)
        relay.cancel()
        async with self._ended:
            self._ends += 1
            self._ended.notify_all()
        return code

    async def _pause(self, ended: str, delay: float) -> None:
        """Wait ``delay`` seconds; but where something is in the way, until it is gone."""
        if obstacle := self.service.obstacle():
            self._console.alarm(f"{ended}: {obstacle}; make room, and it is started again at once")
            # No longer than that: what is seen from outside may be wrong.
            await _within(self._passed(), LONGEST_DELAY_S)
        else:
            self._console.note(f"{ended}, starting it again in {delay:g} s")
            await _within(self._stopping.wait(), delay)

    async def _passed(self) -> None:
        """Return once nothing is in the way any more, or ``stop`` was called."""
        while self.service.obstacle() and not self._stopping.is_set():
            await _within(self._stopping.wait(), OBSTACLE_LOOK_S)

    async def _ended_too_often(self) -> None:
        async with self._ended:
            await self._ended.wait_for(lambda: self._ends >= self.service.first_starts)

    async def _relay(self, descriptor: int) -> None:
        async for line in _lines(descriptor):
            self._console.line(self.service.name, line)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)


def describe_exit(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _sweep(group: int) -> None:
    """End what a dead child left of its process group, such as a pool's processes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


async def _within(work: Awaitable[object], seconds: float) -> None:
    """Await ``work``, and no longer than that."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work


async def _lines(descriptor: int) -> AsyncIterator[str]:
    """Lines from a pipe; one without an end is given out in pieces."""
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    file = os.fdopen(descriptor, "rb", buffering=0)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), file
    )
    try:
        rest = b""
        while chunk := await reader.read(LONGEST_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) >= LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            for line in lines:
                yield line.decode("utf-8", "replace").rstrip("\r")
        if rest:
            yield rest.decode("utf-8", "replace")
    finally:
        transport.close()
