"""The run of an ``async def`` handler in a child process: the bridged run's calls, made in threads and awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from shared.domain.run import ChatMessage, Completion, Log, StatsRow, StoredFile
from worker.blocking.bridged import BridgedAI, BridgedFiles, BridgedMail, BridgedRun, BridgedStats


class AwaitedRun:
    """A ``Run`` over a ``BridgedRun``."""

    def __init__(self, bridged: BridgedRun) -> None:
        self._bridged = bridged
        self.task_id = bridged.task_id
        self.attempt = bridged.attempt
        self.max_attempts = bridged.max_attempts
        self.idempotency_key = bridged.idempotency_key
        self.progress = bridged.progress
        self.emit = bridged.emit
        self.ai = AwaitedAI(bridged.ai)
        self.files = AwaitedFiles(bridged.files)
        self.mail = AwaitedMail(bridged.mail)
        self.stats = AwaitedStats(bridged.stats)

    @property
    def cancelled(self) -> bool:
        return self._bridged.cancelled

    @property
    def log(self) -> Log:
        return self._bridged.log


class AwaitedAI:
    def __init__(self, ai: BridgedAI) -> None:
        self._ai = ai

    @property
    def has_vision(self) -> bool:
        return self._ai.has_vision

    async def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        on_delta: Callable[[str], None] | None = None,
    ) -> Completion:
        """The pieces go to ``emit`` on the worker's side by themselves, so ``on_delta`` hears none of them."""
        del on_delta
        return await asyncio.to_thread(
            self._ai.generate, messages, model=model, max_tokens=max_tokens, temperature=temperature
        )

    async def describe_image(
        self, path: Path, media_type: str, question: str, *, model: str | None = None
    ) -> Completion:
        return await asyncio.to_thread(self._ai.describe_image, path, media_type, question, model=model)


class AwaitedFiles:
    def __init__(self, files: BridgedFiles) -> None:
        self._files = files

    async def get(self, file_id: UUID) -> StoredFile:
        return await asyncio.to_thread(self._files.get, file_id)

    async def save(self, name: str, content: bytes | Path, media_type: str | None = None) -> StoredFile:
        return await asyncio.to_thread(self._files.save, name, content, media_type)

    async def fetch(self, url: str, *, max_bytes: int) -> Path:
        return await asyncio.to_thread(self._files.fetch, url, max_bytes=max_bytes)


class AwaitedMail:
    def __init__(self, mail: BridgedMail) -> None:
        self._mail = mail

    async def send(self, *, to: Sequence[str], subject: str, body: str, message_id: str) -> list[str]:
        return await asyncio.to_thread(self._mail.send, to=to, subject=subject, body=body, message_id=message_id)


class AwaitedStats:
    def __init__(self, stats: BridgedStats) -> None:
        self._stats = stats

    async def window(self, since: datetime, until: datetime) -> list[StatsRow]:
        return await asyncio.to_thread(self._stats.window, since, until)
