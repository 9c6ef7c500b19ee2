"""One terminal for many processes: each line behind the coloured name of who wrote it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO

NAME_WIDTH = 10
OWN_NAME = "taskrunner"
COLOURS = (36, 35, 34, 33, 32, 96, 95, 94)
RESET = "\x1b[0m"
# What a child writes may hold text of its users: no line of it may steer the terminal.
VISIBLE = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if code != ord("\t")}


class Console:
    """Writes whole lines. Colour only where a person looks, and NO_COLOR does not forbid it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        if isinstance(self._stream, io.TextIOWrapper):
            self._stream.reconfigure(errors="backslashreplace")  # a child may write what this terminal cannot
        self._is_coloured = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._colours: dict[str, int] = {}

    def line(self, name: str, text: str) -> None:
        """One line of a child."""
        self._write(f"{self._prefix(name)} | {text.translate(VISIBLE)}\n")

    def note(self, text: str) -> None:
        """One line of the supervisor's own."""
        self.line(OWN_NAME, text)

    def alarm(self, text: str) -> None:
        """The same for what a person has to do something about: on standard error."""
        # As in _write: without a terminal the children are kept all the same.
        with contextlib.suppress(OSError):
            print(f"{self._prefix(OWN_NAME)} | {text.translate(VISIBLE)}", file=sys.stderr, flush=True)

    def banner(self, text: str) -> None:
        self._write(f"\n{text}\n\n")

    def _prefix(self, name: str) -> str:
        if not self._is_coloured:
            return name.ljust(NAME_WIDTH)
        colour = self._colours.setdefault(name, COLOURS[len(self._colours) % len(COLOURS)])
        return f"\x1b[{colour}m{name.ljust(NAME_WIDTH)}{RESET}"

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            # The terminal or the pipe is gone. The children still have to be stopped in order.
            self._stream = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115 - open until we end
