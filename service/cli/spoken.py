"""Streamed output on stderr, a line at a time: what stood on the line of a bar would be overwritten."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from service.cli.output import printable

LINE_WIDTH = 72
"""A language model may never break a line: so long ones are shown in parts, as they come."""


class Spoken:
    """What a task says, on ``console``."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._rest = ""

    def hear(self, delta: str) -> None:
        """Write the lines that ``delta`` completes."""
        *lines, self._rest = (self._rest + delta).split("\n")
        while len(self._rest) > LINE_WIDTH:
            head, blank, tail = self._rest[:LINE_WIDTH].rpartition(" ")
            lines.append(head if blank else self._rest[:LINE_WIDTH])
            self._rest = (tail if blank else "") + self._rest[LINE_WIDTH:]
        for line in lines:
            self._console.print(Text(printable(line)), soft_wrap=True)

    def pause(self) -> None:
        """Write what is left of a line."""
        if self._rest:
            self.hear("\n")
