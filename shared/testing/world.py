"""What stands behind a fake run: files in a folder, a scripted model, a mailbox, statistics, a log that is kept."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.domain.errors import FileMissing, ProviderUnavailable
from shared.domain.ids import new_id
from shared.domain.run import ChatMessage, Completion, StatsRow, StoredFile, Usage


@dataclass
class FakeLog:
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
class FakeFiles:
    """Stored files in ``folder``; ``downloads`` maps a URL to the bytes it answers with."""

    folder: Path | None
    stored: dict[UUID, StoredFile] = field(default_factory=dict)
    downloads: dict[str, bytes] = field(default_factory=dict)
    fetched: list[tuple[str, int]] = field(default_factory=list)

    def put(self, name: str, content: bytes, media_type: str | None = None, *, sha256: str | None = None) -> StoredFile:
        """Store ``content`` as an upload would; ``sha256`` set apart makes a damaged file."""
        file_id = new_id()
        path = self._write(str(file_id), content)
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
        return self._write(f"download-{new_id()}", self.downloads[url])

    def _write(self, name: str, content: bytes) -> Path:
        if self.folder is None:
            raise ValueError("give FakeRun a folder, such as pytest's tmp_path, to use files")
        path = self.folder / name
        path.write_bytes(content)
        return path


@dataclass
class FakeAI:
    """Answers with ``pieces``; keeps what it was ``asked``. ``fails_with`` is raised instead."""

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
class FakeMail:
    """Keeps mails as ``sent``; refuses the addresses in ``refused``. ``fails_with`` is raised instead."""

    refused: frozenset[str] = frozenset()
    fails_with: Exception | None = None
    sent: list[dict[str, Any]] = field(default_factory=list)

    def send(self, *, to: Sequence[str], subject: str, body: str, message_id: str) -> list[str]:
        if self.fails_with is not None:
            raise self.fails_with
        self.sent.append({"to": list(to), "subject": subject, "body": body, "message_id": message_id})
        return [address for address in to if address not in self.refused]


@dataclass
class FakeStats:
    """Answers every window with ``rows``; keeps the ``windows``."""

    rows: list[StatsRow] = field(default_factory=list)
    windows: list[tuple[datetime, datetime]] = field(default_factory=list)

    def window(self, since: datetime, until: datetime) -> list[StatsRow]:
        self.windows.append((since, until))
        return self.rows
