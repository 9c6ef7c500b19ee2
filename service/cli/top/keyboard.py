"""Keys as they are pressed, without Enter and without an echo; none where nobody has a keyboard."""

from __future__ import annotations

import os
import re
import select
import sys
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

NAMES = {
    "\x1b[A": "up", "\x1bOA": "up", "\x1b[B": "down", "\x1bOB": "down",
    "k": "up", "j": "down", "\r": "enter", "\n": "enter", "\x1b": "escape", "\x04": "q",
}  # fmt: skip
PRESSED = re.compile(r"\x1b[\[O][0-9;]*[A-Za-z~]|.", re.DOTALL)
MOST_BYTES = 64

Pressed = Callable[[float], list[str]]
"""The keys pressed, as soon as there is one, within so many seconds."""


@contextmanager
def keyboard() -> Iterator[Pressed]:
    """Read keys until the block ends, which leaves the terminal as it was."""
    if not sys.stdin.isatty():
        yield _nobody
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield lambda seconds: _read(terminal, seconds)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def named(text: str) -> list[str]:
    """The keys that a terminal sends as ``text``."""
    return [NAMES.get(key, key) for key in PRESSED.findall(text)]


def _read(terminal: int, seconds: float) -> list[str]:
    ready, _, _ = select.select([terminal], [], [], seconds)
    return named(os.read(terminal, MOST_BYTES).decode(errors="replace") or "q") if ready else []


def _nobody(seconds: float) -> list[str]:
    time.sleep(seconds)
    return []
