"""Server-Sent Events as they come off the wire: pieces of bytes in, messages out. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """One event; ``id`` is empty where it carries none."""

    id: str
    event: str
    data: str


class Decoder:
    """Fed with pieces cut anywhere. A message that is not whole when the stream breaks never was."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[Message]:
        """The messages that ``piece`` completes; comments are none."""
        *whole, self._rest = (self._rest + piece).split(b"\n\n")
        for block in whole:
            fields = dict(_field(line) for line in block.decode().split("\n"))
            if "data" in fields:
                yield Message(fields.get("id", ""), fields.get("event", "message"), fields["data"])


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name, value.removeprefix(" ")
