"""The twins of ``world`` that ``async def`` handlers await. They keep nothing themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from shared.domain.run import ChatMessage, Completion, StatsRow, StoredFile
from shared.testing.world import FakeAI, FakeFiles, FakeMail, FakeStats


@dataclass(frozen=True)
class AwaitedFiles:
    plain: FakeFiles

    async def get(self, file_id: UUID) -> StoredFile:
        return self.plain.get(file_id)

    async def save(self, name: str, content: bytes | Path, media_type: str | None = None) -> StoredFile:
        return self.plain.save(name, content, media_type)

    async def fetch(self, url: str, *, max_bytes: int) -> Path:
        return self.plain.fetch(url, max_bytes=max_bytes)


@dataclass(frozen=True)
class AwaitedAI:
    """Streams its pieces, too."""

    plain: FakeAI

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


@dataclass(frozen=True)
class AwaitedMail:
    plain: FakeMail

    async def send(self, *, to: Sequence[str], subject: str, body: str, message_id: str) -> list[str]:
        return self.plain.send(to=to, subject=subject, body=body, message_id=message_id)


@dataclass(frozen=True)
class AwaitedStats:
    plain: FakeStats

    async def window(self, since: datetime, until: datetime) -> list[StatsRow]:
        return self.plain.window(since, until)
