"""An answer's head and body in one write, where uvicorn makes two: a system call and a packet less for each answer."""

from __future__ import annotations

import asyncio
from typing import Any


class AnswerWriter:
    """Stands for a connection's transport before the one request being answered.

    It keeps a head back until the first piece of a body whose length the head tells. Streams have none: their heads go
    out at once. uvicorn checks that the piece comes; where the application fails before it, the client is told nothing.
    """

    __slots__ = ("_cycle", "_head", "_is_begun", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._cycle: Any = None
        self._is_begun = False
        self._head = b""

    def answer(self, cycle: Any) -> None:
        """Write for ``cycle`` (a RequestResponseCycle of uvicorn's) from now on."""
        cycle.transport = self
        self._cycle = cycle
        self._is_begun = False
        self._head = b""

    def write(self, data: bytes) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.writelines((head, data))
        elif self._keeps_back():
            self._head = data
        else:
            self._transport.write(data)

    def _keeps_back(self) -> bool:
        """Whether this is a head with a body to come. Until it is written, a ``100 Continue`` may be."""
        cycle = self._cycle
        if self._is_begun or not cycle.response_started:
            return False
        self._is_begun = True
        has_length: bool = cycle.expected_content_length > 0
        return has_length and cycle.scope["method"] != "HEAD"

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()
