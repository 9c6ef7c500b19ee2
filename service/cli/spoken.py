"""What a task says, piece by piece as it comes, and where its line breaks."""

from __future__ import annotations

from typing import TextIO

# Text of users, or of a model: it may break lines, and neither steer a terminal nor turn its text around.
STEERING = dict.fromkeys(
    (*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)), "�"
)


class Spoken:
    """The pieces on ``stream``, flushed one by one: whoever reads a pipe has each as soon as a person would."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_mid_line = False
        self.has_begun = False

    def hear(self, delta: str) -> None:
        """Write a piece."""
        self._stream.write(delta.translate(STEERING))
        self._stream.flush()
        self.has_begun = True
        self._is_mid_line = not delta.endswith("\n")

    def end_line(self) -> None:
        """What follows is no part of it."""
        if self._is_mid_line:
            self._stream.write("\n")
            self._stream.flush()
        self._is_mid_line = False
