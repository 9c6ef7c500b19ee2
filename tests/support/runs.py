"""Runs for unit tests of task handlers: what a handler says is recorded, what it asks for is answered from memory.

Files are real, in a folder of the test's; AI, mail, statistics and downloads are scripted. Nothing here waits.
"""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.domain.errors import FileMissing, ProviderUnavailable
from shared.domain.ids import new_id
from shared.domain.run import BlockingRun, ChatMessage, Completion, Run, StatsRow, StoredFile, Usage


@dataclass
class RecordedLog:
    """Keeps ``(level, event, facts)``."""

    lines: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def debug(self, event: str, **facts: Any) -> None:
        self.lines.append(("debug", event, facts))

    def info(self, event: str, **facts: Any) -> None:
        self.lines.append(("info", event, facts))

    def warning(self, event: str, **facts: Any) -> None:
        self.lines.append(("warning", event, facts))

    def error(self, event: str, **facts: Any) -> None:
        self.lines.append(("error", event, facts))

    @property
    def events(self) -> list[str]:
        return [event for _, event, _ in self.lines]


@dataclass
class FolderFiles:
    """Stored files in a folder; ``downloads`` maps a URL to what it answers."""

    folder: Path
    stored: dict[UUID, StoredFile] = field(default_factory=dict)
    downloads: dict[str, bytes] = field(default_factory=dict)
    fetched: list[tuple[str, int]] = field(default_factory=list)

    def put(self, name: str, content: bytes, media_type: str | None = None, *, sha256: str | None = None) -> StoredFile:
        """Store ``content`` as an upload would; ``sha256`` set apart makes a damaged file."""
        file_id = new_id()
        path = self.folder / str(file_id)
        path.write_bytes(content)
        guessed = media_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        digest = sha256 or hashlib.sha256(content).hexdigest()
        file = StoredFile(file_id, name, len(content), digest, guessed, datetime.now(UTC), path)
        self.stored[file_id] = file
        return file

    def get(self, file_id: UUID) -> StoredFile:
        if file_id not in self.stored:
            raise FileMissing
        return self.stored[file_id]

    def save(self, name: str, content: bytes | Path, media_type: str | None = None) -> StoredFile:
        return self.put(name, content.read_bytes() if isinstance(content, Path) else content, media_type)

    def fetch(self, url: str, *, max_bytes: int) -> Path:
        self.fetched.append((url, max_bytes))
        if url not in self.downloads:
            raise ProviderUnavailable(f"nothing answers at {url}")
        path = self.folder / f"download-{new_id()}"
        path.write_bytes(self.downloads[url])
        return path


@dataclass
class ScriptedAI:
    """Answers with ``pieces``; keeps what it was asked. ``fails_with`` is raised instead."""

    pieces: Sequence[str] = ("Hello", ", ", "world")
    has_vision: bool = False
    model: str = "fake-1"
    fails_with: Exception | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)

    def completion(self, **asked: Any) -> Completion:
        self.asked.append(asked)
        if self.fails_with is not None:
            raise self.fails_with
        count = len(self.pieces)
        return Completion("".join(self.pieces), self.model, "stop", Usage(7, count, 7 + count))

    def generate(self, messages: Sequence[ChatMessage], **options: Any) -> Completion:
        return self.completion(messages=list(messages), **options)

    def describe_image(self, path: Path, media_type: str, question: str, *, model: str | None = None) -> Completion:
        return self.completion(path=path, media_type=media_type, question=question, model=model)


@dataclass
class Mailbox:
    """Keeps mails; refuses the addresses in ``refused``."""

    refused: frozenset[str] = frozenset()
    sent: list[dict[str, Any]] = field(default_factory=list)

    def send(self, *, to: Sequence[str], subject: str, body: str, message_id: str) -> list[str]:
        self.sent.append({"to": list(to), "subject": subject, "body": body, "message_id": message_id})
        return [address for address in to if address not in self.refused]


@dataclass
class FixedStats:
    """Answers every window with ``rows``; keeps the windows."""

    rows: list[StatsRow] = field(default_factory=list)
    windows: list[tuple[datetime, datetime]] = field(default_factory=list)

    def window(self, since: datetime, until: datetime) -> list[StatsRow]:
        self.windows.append((since, until))
        return self.rows


@dataclass
class FakeBlockingRun:
    """What a ``def`` handler gets; it satisfies ``BlockingRun``."""

    files: FolderFiles
    ai: ScriptedAI = field(default_factory=ScriptedAI)
    mail: Mailbox = field(default_factory=Mailbox)
    stats: FixedStats = field(default_factory=FixedStats)
    task_id: UUID = field(default_factory=new_id)
    attempt: int = 1
    max_attempts: int = 4
    idempotency_key: str = "key-1"
    cancelled: bool = False
    log: RecordedLog = field(default_factory=RecordedLog)
    progressed: list[tuple[float, str]] = field(default_factory=list)
    emitted: list[str] = field(default_factory=list)

    def progress(self, percent: float, message: str = "") -> None:
        self.progressed.append((percent, message))

    def emit(self, delta: str) -> None:
        self.emitted.append(delta)


@dataclass
class AwaitedFiles:
    """``FolderFiles``, awaited."""

    plain: FolderFiles

    async def get(self, file_id: UUID) -> StoredFile:
        return self.plain.get(file_id)

    async def save(self, name: str, content: bytes | Path, media_type: str | None = None) -> StoredFile:
        return self.plain.save(name, content, media_type)

    async def fetch(self, url: str, *, max_bytes: int) -> Path:
        return self.plain.fetch(url, max_bytes=max_bytes)


@dataclass
class AwaitedAI:
    """``ScriptedAI``, awaited and streaming."""

    plain: ScriptedAI

    @property
    def has_vision(self) -> bool:
        return self.plain.has_vision

    async def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        on_delta: Callable[[str], None] | None = None,
    ) -> Completion:
        answer = self.plain.generate(messages, model=model, max_tokens=max_tokens, temperature=temperature)
        if on_delta is not None:
            for piece in self.plain.pieces:
                on_delta(piece)
        return answer

    async def describe_image(
        self, path: Path, media_type: str, question: str, *, model: str | None = None
    ) -> Completion:
        return self.plain.describe_image(path, media_type, question, model=model)


@dataclass
class AwaitedMail:
    """``Mailbox``, awaited."""

    plain: Mailbox

    async def send(self, *, to: Sequence[str], subject: str, body: str, message_id: str) -> list[str]:
        return self.plain.send(to=to, subject=subject, body=body, message_id=message_id)


@dataclass
class AwaitedStats:
    """``FixedStats``, awaited."""

    plain: FixedStats

    async def window(self, since: datetime, until: datetime) -> list[StatsRow]:
        return self.plain.window(since, until)


class FakeRun:
    """What an ``async def`` handler gets; it satisfies ``Run``. ``plain`` holds all that is recorded."""

    def __init__(self, plain: FakeBlockingRun) -> None:
        self.plain = plain
        self.files = AwaitedFiles(plain.files)
        self.ai = AwaitedAI(plain.ai)
        self.mail = AwaitedMail(plain.mail)
        self.stats = AwaitedStats(plain.stats)
        self.task_id = plain.task_id
        self.max_attempts = plain.max_attempts
        self.idempotency_key = plain.idempotency_key
        self.log = plain.log

    @property
    def attempt(self) -> int:
        return self.plain.attempt

    @property
    def cancelled(self) -> bool:
        return self.plain.cancelled

    def progress(self, percent: float, message: str = "") -> None:
        self.plain.progress(percent, message)

    def emit(self, delta: str) -> None:
        self.plain.emit(delta)


def blocking_run(folder: Path) -> FakeBlockingRun:
    """A run for a ``def`` handler, its files in ``folder``."""
    run = FakeBlockingRun(FolderFiles(folder))
    _is_blocking_run: BlockingRun = run
    return run


def async_run(plain: FakeBlockingRun) -> FakeRun:
    """The same run, for an ``async def`` handler."""
    run = FakeRun(plain)
    _is_run: Run = run
    return run
