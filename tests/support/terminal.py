"""A command at a terminal of its own: a pseudo-terminal, what it draws there, and keys to press."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Self

POLL_S = 0.02
HOME = "\x1b[H"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")


class Terminal:
    """Ends the command with the block."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], *, columns: int = 80, rows: int = 24) -> None:
        self._argv = argv
        own = {name: value for name, value in env.items() if name not in {"COLUMNS", "LINES"}}
        self._env = {**own, "TERM": "xterm-256color", "NO_COLOR": "1"}
        self._size = (rows, columns)
        self._written = b""
        self._is_over = False

    def __enter__(self) -> Self:
        self._ours, self._theirs = pty.openpty()
        termios.tcsetwinsize(self._theirs, self._size)
        self._settings = termios.tcgetattr(self._theirs)
        self._process = subprocess.Popen(
            self._argv, stdin=self._theirs, stdout=self._theirs, stderr=self._theirs, env=self._env
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait(10)
        self._is_over = True
        self._reader.join(10)
        os.close(self._ours)
        os.close(self._theirs)

    @property
    def text(self) -> str:
        """Everything that was written, as it was."""
        return self._written.decode(errors="replace")

    @property
    def frame(self) -> str:
        """What was drawn last, from the upper left corner on, perhaps not to its end yet."""
        return CONTROL.sub("", self.text.rpartition(HOME)[2])

    @property
    def is_as_before(self) -> bool:
        """Whether keys are echoed and gathered to lines as when it began."""
        return termios.tcgetattr(self._theirs) == self._settings

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        termios.tcsetwinsize(self._theirs, (rows, columns))

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def shows(self, holds: str | Callable[[str], bool], timeout: float = 30.0) -> str:
        """The first frame that does. Fails at the deadline, with the last one."""
        deadline = time.monotonic() + timeout
        while True:
            frame = self.frame
            if holds in frame if isinstance(holds, str) else holds(frame):
                return frame
            assert self._process.poll() is None, f"it ended:\n{self.text}"
            assert time.monotonic() < deadline, f"not within {timeout:g} s: {holds}\n{frame}"
            time.sleep(POLL_S)

    def wait(self, timeout: float = 30.0) -> int:
        """Its exit code."""
        return self._process.wait(timeout)

    def _read(self) -> None:
        while not self._is_over:
            if select.select([self._ours], [], [], POLL_S)[0]:
                self._written += os.read(self._ours, 65_536)
