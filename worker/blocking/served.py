"""The child's end of the pipe: one socket, read by a thread, written by whoever has something to say.

The reader also ends the process: when the worker is gone (end of file), and when it cannot go on.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, NoReturn

from shared.domain.errors import describe
from shared.domain.run import Log
from worker.blocking.carried import rebuild
from worker.blocking.errors import RunEnded
from worker.blocking.frames import HEADER_BYTES, body_size, decode, encode, is_plain


class Pipe:
    """Frames over ``connection``. ``jobs`` holds what the worker asked to be run."""

    def __init__(self, connection: socket.socket) -> None:
        self.jobs: SimpleQueue[list[Any]] = SimpleQueue()
        self.link: ChildLink | None = None
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, *message: Any) -> None:
        """Raises: FrameTooLarge, TypeError (no plain data), OSError (the worker is gone)."""
        frame = encode(*message)
        with self._sending:
            self._connection.sendall(frame)

    def receive(self) -> list[Any]:
        """The next message. Raises: EOFError, OSError, FrameTooLarge, ValueError."""
        return decode(self._read(body_size(self._read(HEADER_BYTES))))

    def listen(self) -> None:
        """Read on a thread from now on."""
        threading.Thread(target=self._listen, name="pipe", daemon=True).start()

    def _listen(self) -> None:
        try:
            while True:
                self._take_in(self.receive())
        except (EOFError, OSError):
            end_group()
        finally:
            # Whatever broke (no memory left, say): a child that cannot be reached must not stay.
            os._exit(os.EX_SOFTWARE)

    def _take_in(self, message: list[Any]) -> None:
        link = self.link
        match message:
            case ["run", *job]:
                self.jobs.put(job)
            case ["cancel"] if link is not None:
                link.cancelled = True
            case ["reply", number, value] if link is not None:
                link.settle(number, value)
            case ["error", number, carried] if link is not None:
                link.settle(number, rebuild(carried))
            case _:
                return  # an answer to a run that has ended meanwhile

    def _read(self, size: int) -> bytes:
        data = bytearray(size)
        view = memoryview(data)
        done = 0
        while done < size:
            count = self._connection.recv_into(view[done:])
            if not count:
                raise EOFError
            done += count
        return bytes(data)


class ChildLink:
    """The way of one run to the live one. Satisfies ``bridged.Link``."""

    # Unique over the life of the child: a late answer to one run is none to the next.
    _numbers = itertools.count(1)

    def __init__(self, pipe: Pipe) -> None:
        self.cancelled = False
        self.log: Log = ChildLog(self)
        self._pipe = pipe
        self._ended = False
        self._speaking = threading.Lock()
        self._waiting: dict[int, Future[Any]] = {}

    def tell(self, what: str, *values: Any) -> None:
        with self._speaking:
            if self._ended:
                raise RunEnded
            self._pipe.send(what, *values)

    def call(self, name: str, /, **arguments: Any) -> Any:
        number = next(self._numbers)
        answer = self._waiting[number] = Future[Any]()
        try:
            self.tell("call", number, name, arguments)
            return answer.result()
        finally:
            self._waiting.pop(number, None)

    def settle(self, number: int, value: Any) -> None:
        """Hand an answer to the call that waits for it, if it still does."""
        answer = self._waiting.pop(number, None)
        if answer is None:
            return
        if isinstance(value, BaseException):
            answer.set_exception(value)
        else:
            answer.set_result(value)

    def end(self) -> None:
        """The handler has returned: threads it left behind may not speak for the next run, another tenant's."""
        with self._speaking:
            self._ended = True
        for number in list(self._waiting):
            self.settle(number, RunEnded())


class ChildLog:
    """The run's logger; the worker writes the lines. What is no plain data goes as its repr."""

    def __init__(self, link: ChildLink) -> None:
        self._link = link

    def debug(self, event: str, **facts: Any) -> None:
        self._send("debug", event, facts)

    def info(self, event: str, **facts: Any) -> None:
        self._send("info", event, facts)

    def warning(self, event: str, **facts: Any) -> None:
        self._send("warning", event, facts)

    def error(self, event: str, **facts: Any) -> None:
        self._send("error", event, facts)

    def _send(self, level: str, event: str, facts: dict[str, Any]) -> None:
        plain = {name: value if is_plain(value) else describe(repr(value)) for name, value in facts.items()}
        self._link.tell("log", level, str(event), plain)


def end_group() -> NoReturn:
    """End this process and what its handler started, at once."""
    os.killpg(0, signal.SIGKILL)
    raise SystemExit  # not reached: the signal is for us, too
