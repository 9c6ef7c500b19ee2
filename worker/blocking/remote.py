"""One child process, seen from the worker: started, given one run at a time, ended.

Owns the process and its pipe. Refuses to choose between children or to replace one: see ``processes``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from shared.domain.definition import TaskDefinition
from shared.domain.outcomes import Failed
from shared.domain.run import Run
from worker.blocking.bridged import Facts
from worker.blocking.carried import carry, facts_of
from worker.blocking.errors import ChildDied, ChildNotReady, FrameTooLarge
from worker.blocking.frames import HEADER_BYTES, body_size, decode, encode
from worker.blocking.handling import dump
from worker.blocking.live import note, perform

START_LIMIT_S = 60.0  # a user's modules may import a lot; 0.3 s with ours
ANSWER_LIMIT_S = 10.0
TERM_GRACE_S = 0.2
KILL_LIMIT_S = 5.0
EXIT_LIMIT_S = 1.0  # between the end of the pipe and that of the process
CANCEL_LOOK_S = 0.1
BUFFER_BYTES = 1_048_576
STDERR = 2


class Child:
    """A warm process. Made by ``Child.start``; after ``end`` nothing of it is left."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.runs = 0
        self._process = process
        self._reader = reader
        self._writer = writer
        self._gone = asyncio.create_task(self._watch(), name=f"child-{process.pid}")

    @classmethod
    async def start(cls, task_modules: Sequence[str], memory_mb: int | None) -> Child:
        """Start a child and wait until it knows its task types. Raises: ChildNotReady."""
        ours, theirs = socket.socketpair()
        try:
            process = await _spawn(theirs.fileno())
            reader, writer = await asyncio.open_connection(sock=ours, limit=BUFFER_BYTES)
        except BaseException:
            ours.close()  # a child that was spawned reads the end of its pipe, and ends
            raise
        finally:
            theirs.close()
        child = cls(process, reader, writer)
        try:
            await child._prepare(task_modules, memory_mb)
        except BaseException:
            await child.end()
            raise
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    async def begin(self, definition: TaskDefinition, facts: Facts, given: BaseModel) -> bool:
        """Hand over a run. False where the child is gone or does not answer: no handler was called."""
        about = [facts.task_id, facts.attempt, facts.max_attempts, facts.idempotency_key]
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                await self._send("run", definition.type, dump(given), about)
                message = await self._receive()
        except (TimeoutError, OSError):
            return False
        self.runs += 1
        return message == ["started"]

    async def converse(self, run: Run) -> bytes | Failed:
        """Serve the handler's calls until it ends: its output as JSON, or what it raised.

        Raises: ChildDied.
        """
        async with asyncio.TaskGroup() as group:
            helpers = {group.create_task(self._tell_cancel(run))}
            last = await self._listen(run, group, helpers)
            for helper in helpers:
                helper.cancel()
        match last:
            case ["done", bytes() as output]:
                return output
            case ["failed", Failed() as facts]:
                return facts
            case ["refused", Failed() as facts]:
                await self.end()
                return facts
            case _:
                raise ChildDied(f"The process that ran the handler {await self._last_words()}.")

    @property
    def is_alive(self) -> bool:
        return not self._gone.done()

    async def end(self) -> None:
        """End the process and all it started, within moments. Idempotent."""
        for number, limit_s in ((signal.SIGTERM, TERM_GRACE_S), (signal.SIGKILL, KILL_LIMIT_S)):
            if self.is_alive:
                self._signal(number)
                await asyncio.wait({self._gone}, timeout=limit_s)
        self._writer.transport.abort()

    async def _prepare(self, task_modules: Sequence[str], memory_mb: int | None) -> None:
        try:
            async with asyncio.timeout(START_LIMIT_S):
                await self._send("prepare", sys.path, list(task_modules), memory_mb)
                message = await self._receive()
        except (TimeoutError, OSError) as error:
            raise ChildNotReady(f"A process for handlers could not be started: {error!r}.") from error
        match message:
            case ["ready"]:
                return
            case ["unfit", str() as reason]:
                raise ChildNotReady(f"A process for handlers cannot serve: {reason}")
            case _:
                raise ChildNotReady(f"A process for handlers {await self._last_words()} before it was ready.")

    async def _listen(self, run: Run, group: asyncio.TaskGroup, helpers: set[asyncio.Task[None]]) -> list[Any] | None:
        """Take messages until the last one; None at the end of the pipe."""
        while (message := await self._receive()) is not None:
            match message:
                case ["done" | "failed", _]:
                    return message
                case ["call", int() as number, str() as name, dict() as arguments]:
                    helper = group.create_task(self._answer(run, number, name, arguments))
                    helpers.add(helper)
                    helper.add_done_callback(helpers.discard)
                case [what, *values]:
                    try:
                        note(run, what, values)
                    except Exception as error:  # noqa: BLE001 - one-way: only the end of the run can tell the handler
                        return ["refused", facts_of(error)]
            # A flood in the buffer must not keep the loop: reading from it never waits.
            await asyncio.sleep(0)
        return None

    async def _answer(self, run: Run, number: int, name: str, arguments: dict[str, Any]) -> None:
        try:
            frame = encode("reply", number, await perform(run, name, arguments))
        except Exception as error:  # noqa: BLE001 - whatever it is, the handler asked and shall know
            frame = encode("error", number, carry(error))
        with contextlib.suppress(OSError):  # the child is gone: the reading side sees that
            await self._write(frame)

    async def _tell_cancel(self, run: Run) -> None:
        # The live run has no event to wait for, only a flag.
        while not run.cancelled:  # noqa: ASYNC110
            await asyncio.sleep(CANCEL_LOOK_S)
        with contextlib.suppress(OSError):
            await self._send("cancel")

    async def _send(self, *message: Any) -> None:
        await self._write(encode(*message))

    async def _write(self, frame: bytes) -> None:
        self._writer.write(frame)
        await self._writer.drain()

    async def _receive(self) -> list[Any] | None:
        """The next message; None where the pipe has ended or broken."""
        try:
            header = await self._reader.readexactly(HEADER_BYTES)
            return decode(await self._reader.readexactly(body_size(header)))
        except (asyncio.IncompleteReadError, OSError, FrameTooLarge, ValueError):
            return None

    async def _watch(self) -> None:
        """Wait for the process, then end what it left behind: that would hold the pipe open."""
        await self._process.wait()
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # The group keeps its id as long as one of its members lives.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _last_words(self) -> str:
        """End the process, and say how it ended if it did so by itself."""
        await asyncio.wait({self._gone}, timeout=EXIT_LIMIT_S)
        died = not self.is_alive
        await self.end()
        code = self._process.returncode
        if not died or code is None:
            return "broke its pipe to the worker"
        if code >= 0:
            return f"exited with code {code}"
        name = signal.Signals(-code).name
        return f"was ended by {name}" + (" (out of memory, perhaps)" if name == "SIGKILL" else "")


async def _spawn(descriptor: int) -> asyncio.subprocess.Process:
    """The process, with its end of the pipe. Raises: ChildNotReady."""
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "worker.blocking.child", str(descriptor)),
            stdin=asyncio.subprocess.DEVNULL,
            # Prints of handlers go to the worker's stderr: its stdout is no place for them, the pipe even less.
            stdout=STDERR,
            pass_fds=(descriptor,),
            # An own session: Ctrl-C at the worker is not theirs, and what a handler starts ends with it.
            start_new_session=True,
        )
    except OSError as error:
        raise ChildNotReady(f"A process for handlers could not be started: {error}.") from error
