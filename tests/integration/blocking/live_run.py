"""A live run whose world is a list of what was asked of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.domain.errors import FileMissing, ProviderUnavailable
from shared.domain.ids import new_id
from shared.domain.run import ChatMessage, Completion, StatsRow, StoredFile, Usage

WITHIN_S = 5.0
CONTEXT: ContextVar[str] = ContextVar("CONTEXT", default="none")


class FakeLog:
    def __init__(self, said: list[Any]) -> None:
        self.said = said

    def debug(self, event: str, **facts: Any) -> None:
        self.said.append(("debug", event, facts))

    def info(self, event: str, **facts: Any) -> None:
        self.said.append(("info", event, facts, CONTEXT.get()))

    warning = error = debug


@dataclass
class LiveRun:
    """Satisfies ``shared.domain.run.Run``."""

    directory: Path
    cancelled: bool = False
    task_id: UUID = field(default_factory=new_id)
    attempt: int = 2
    max_attempts: int = 4
    idempotency_key: str = "key-1"
    said: list[Any] = field(default_factory=list)
    heard: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.ai = FakeAI(self)
        self.files = FakeFiles(self)
        self.mail = FakeMail()
        self.stats = FakeStats()
        self.log = FakeLog(self.said)

    def progress(self, percent: float, message: str = "") -> None:
        if not 0 <= percent <= 100:
            raise ValueError(f"{percent} is no percentage")
        self.said.append(("progress", percent, message))

    def emit(self, delta: str) -> None:
        self.said.append(("emit", delta))
        self.heard.set()

    @property
    def emitted(self) -> list[str]:
        return [entry[1] for entry in self.said if entry[0] == "emit"]


@dataclass
class FakeAI:
    run: LiveRun
    has_vision: bool = True
    was_cancelled: bool = False

    async def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        on_delta: Callable[[str], None] | None = None,
    ) -> Completion:
        text = messages[0].content
        if text == "wait":
            self.run.emit("waiting")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.was_cancelled = True
                raise
        assert on_delta is not None
        for piece in (text, "!"):
            await asyncio.sleep(0)
            on_delta(piece)
        return Completion(f"{text}!", model or "default", "stop", Usage(1, 2, 3))

    async def describe_image(
        self, path: Path, media_type: str, question: str, *, model: str | None = None
    ) -> Completion:
        return Completion(f"{path.is_absolute()} {media_type} {question}", "v", None, Usage(0, 0, 0))


@dataclass
class FakeFiles:
    run: LiveRun

    def stored(self, number: int, name: str) -> StoredFile:
        path = self.run.directory / name
        path.write_text("content", encoding="utf-8")
        return StoredFile(UUID(int=number), name, 7, "0" * 64, "text/plain", datetime(2026, 1, 1, tzinfo=UTC), path)

    async def get(self, file_id: UUID) -> StoredFile:
        match file_id.int:
            case 100:
                raise FileMissing(f"no file {file_id.int}")
            case 101:
                raise ProviderUnavailable("away", retry_after=timedelta(seconds=5))
            case 102:
                raise KeyError("who", 1)
            case 103:
                raise FileNotFoundError(2, "No such file", "/gone")
            case number:
                return self.stored(number, "stored.txt")

    async def save(self, name: str, content: bytes | Path, media_type: str | None = None) -> StoredFile:
        if isinstance(content, Path):
            assert content.is_absolute()
            assert content == self.run.directory / "stored.txt"
        else:
            assert content == b"\x00bytes"
        return self.stored(2, name)

    async def fetch(self, url: str, *, max_bytes: int) -> Path:
        return self.stored(3, f"fetched-{max_bytes}").path


class FakeMail:
    async def send(self, *, to: Sequence[str], subject: str, body: str, message_id: str) -> list[str]:
        return [*to, subject, body, message_id]


class FakeStats:
    async def window(self, since: datetime, until: datetime) -> list[StatsRow]:
        assert until - since == timedelta(hours=1)
        return [StatsRow("t", "q", 1, 2, 3, 4, 5, 0.5, None, 1.5, None)]


async def eventually(claim: Callable[[], bool]) -> None:
    """Wait until ``claim()``. Raises: AssertionError after ``WITHIN_S``."""
    deadline = time.monotonic() + WITHIN_S
    while not claim():
        assert time.monotonic() < deadline, "it did not become so in time"
        await asyncio.sleep(0.01)
