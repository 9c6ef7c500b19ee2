"""Real child processes for tests: the API, a worker, ``taskrunner up``, or any command. Always reaped.

Waits are asynchronous, so that servers a test runs in its own loop keep answering.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from shared.embedded.ports import LOOPBACK
from shared.embedded.tether import tethered

ROOT = Path(__file__).parents[2]
POLL_S = 0.02


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie nobody has reaped yet does not."""
    if sys.platform.startswith("linux"):
        try:
            return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def descendants_of(pid: int) -> list[int]:
    """Children, grandchildren and so on, of whatever session or user."""
    children: dict[int, list[int]] = {}
    for child, parent in _pids_and_parents():
        children.setdefault(parent, []).append(child)
    found = [pid]
    for one in found:  # grows as we go
        found += children.get(one, [])
    return found[1:]


def _pids_and_parents() -> Iterator[tuple[int, int]]:
    if not sys.platform.startswith("linux"):
        for line in subprocess.check_output(["ps", "-axo", "pid=,ppid="], text=True).splitlines():
            child, parent = map(int, line.split())
            yield child, parent
        return
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            yield int(stat.parent.name), int(fields[1])


async def eventually_gone(*pids: int, timeout: float = 10.0) -> None:
    """Return once none of these processes is alive."""
    deadline = time.monotonic() + timeout
    while left := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < deadline, f"still alive after {timeout:g} s: {left}"
        await asyncio.sleep(POLL_S)


class Child:
    """A running command; ``lines`` grows as it writes. It dies with the test run, even by kill -9."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, pass_fds: Sequence[int] = ()) -> None:
        self.lines: list[str] = []
        self._process = subprocess.Popen(
            tethered(argv, signal.SIGKILL),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            pass_fds=pass_fds,
        )
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._read, name=f"read-{self.pid}", daemon=True)
        self._reader.start()

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def wait_for_line(self, pattern: str, timeout: float = 30.0) -> re.Match[str]:
        """The first line that contains ``pattern``. Fails at once when the child ends without it."""

        def found() -> re.Match[str] | None:
            return next((match for line in list(self.lines) if (match := re.search(pattern, line))), None)

        async def probe() -> bool:
            return found() is not None

        await self.wait_until(probe, timeout, what=f"a line like {pattern!r}")
        match = found()
        assert match is not None
        return match

    async def wait_until(
        self, holds: Callable[[], Awaitable[bool]], timeout: float = 30.0, what: str = "ready"
    ) -> None:
        """Poll ``holds`` until it is true. Fails, with the output, at the deadline or when the child ends."""
        deadline = time.monotonic() + timeout
        while not await holds():
            if self.returncode is not None:
                self._reader.join(5)
                if await holds():
                    return
                raise AssertionError(f"ended with {self.returncode} before: {what}\n{self.output}")
            assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}\n{self.output}"
            await asyncio.sleep(POLL_S)

    async def wait_for_http(self, url: str, status: int = 200, timeout: float = 30.0) -> None:
        """Poll ``url`` until it answers ``status``."""

        async def answers() -> bool:
            try:
                return (await client.get(url)).status_code == status
            except httpx.TransportError:
                return False

        async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
            await self.wait_until(answers, timeout, what=f"{status} from {url}")

    async def wait(self, timeout: float = 30.0) -> int:
        """Its exit code, negative for a signal. Fails, with the output, at the deadline."""
        deadline = time.monotonic() + timeout
        while (code := self.returncode) is None:
            assert time.monotonic() < deadline, f"still running after {timeout:g} s\n{self.output}"
            await asyncio.sleep(POLL_S)
        self._reader.join(5)
        return code

    def reap(self) -> None:
        """End it and what is left of its process group. Idempotent."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(10)
        self._reader.join(5)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))


class Processes:
    """Starts children and ends them all."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def start(
        self, *argv: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT, pass_fds: Sequence[int] = ()
    ) -> Child:
        """Run a command; ``env`` is added to ours."""
        child = Child(argv, {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}, cwd, pass_fds)
        self._children.append(child)
        return child

    def python(self, *argv: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Child:
        return self.start(sys.executable, *argv, env=env, cwd=cwd)

    def api(self, port: int, env: Mapping[str, str]) -> Child:
        """The API as production runs it. Ready when /health/ready answers 200."""
        where = ("--host", LOOPBACK, "--port", str(port))
        return self.python("-m", "uvicorn", "service.app:create_app", "--factory", *where, env=env)

    def worker(self, env: Mapping[str, str]) -> Child:
        """A worker as production runs it: by arq's command line."""
        return self.python("-m", "arq", "worker.WorkerSettings", env=env)

    def taskrunner(self, *argv: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Child:
        return self.python("-c", "from service.cli.main import main; main()", *argv, env=env, cwd=cwd)

    def reap_all(self) -> None:
        for child in reversed(self._children):
            child.reap()


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Start real processes in a test; none outlives it."""
    started = Processes()
    try:
        yield started
    finally:
        started.reap_all()
