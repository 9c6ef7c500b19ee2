"""An OpenAI-compatible server on loopback whose every answer is scripted, down to how it breaks off.

Plain asyncio, because a framework would not let go of the rules that some of these replies break.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

MODEL = "scripted-1"
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


class AIServer:
    """``async with AIServer() as server``: requests get the scripted replies in order, then the default one."""

    def __init__(self, default: Reply | None = None) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self._default = default or streamed("Hello", ", ", "world")
        self._script: deque[Reply] = deque()
        self._handlers: set[asyncio.Task[Any]] = set()

    def script(self, *replies: Reply) -> None:
        self._script.extend(replies)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for handler in self._handlers:
            handler.cancel()
        await asyncio.gather(*self._handlers, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handler = asyncio.current_task()
        assert handler is not None
        self._handlers.add(handler)
        handler.add_done_callback(self._handlers.discard)
        # The client going away in mid-answer is what some tests are about.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._record(reader)
            reply = self._script.popleft() if self._script else self._default
            await reply(writer)
        writer.close()

    async def _record(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.paths.append(first)
        self.headers.append(headers)
        self.requests.append(json.loads(body or b"{}"))


def streamed(*deltas: str, usage: Mapping[str, Any] | None = USAGE, done: bool = True) -> Reply:
    """A well-formed streamed answer."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        _start_stream(writer)
        for delta in deltas:
            _event(writer, {"model": MODEL, "choices": [{"index": 0, "delta": {"content": delta}}]})
            await writer.drain()
        _event(writer, {"model": MODEL, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if usage is not None:
            _event(writer, {"model": MODEL, "choices": [], "usage": usage})
        if done:
            writer.write(b"data: [DONE]\n\n")
        await writer.drain()

    return reply


def raw_stream(*pieces: bytes) -> Reply:
    """A 200 event stream with exactly these bytes."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        _start_stream(writer)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()

    return reply


def cut_after(*deltas: str) -> Reply:
    """Starts to answer, then the connection is reset."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        _start_stream(writer)
        for delta in deltas:
            _event(writer, {"model": MODEL, "choices": [{"delta": {"content": delta}}]})
        await writer.drain()
        writer.transport.abort()

    return reply


def silent(*deltas: str) -> Reply:
    """Answers nothing, or ``deltas`` and then nothing, and keeps the connection open."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        if deltas:
            _start_stream(writer)
            for delta in deltas:
                _event(writer, {"model": MODEL, "choices": [{"delta": {"content": delta}}]})
            await writer.drain()
        await asyncio.Event().wait()

    return reply


def answered(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """One response of ``status``; ``body`` is bytes, or goes out as JSON."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "text/plain" if isinstance(body, bytes) else "application/json"
        lines = [f"HTTP/1.1 {status} Scripted", f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + content)
        await writer.drain()

    return reply


def _start_stream(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")


def _event(writer: asyncio.StreamWriter, data: Mapping[str, Any]) -> None:
    # Not escaped, as many servers send it.
    writer.write(f"data: {json.dumps(data, ensure_ascii=False)}\n\n".encode())
