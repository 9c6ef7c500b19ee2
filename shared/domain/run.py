"""What a handler is given: its ``run``, and through it the only ways it may touch the world.

Protocols only; the worker injects the implementations. Every method of ``BlockingRun`` is the
plain (not awaited) twin of the one in ``Run``: a ``def`` handler in a thread or a child process
gets that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn of a conversation; ``role`` is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens a completion cost, as the provider counted them."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """A provider's answer. ``model`` is the one that answered, not the one asked for."""

    text: str
    model: str
    finish_reason: str | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file of the tenant's. ``path`` is readable on this machine; ``size`` is bytes."""

    id: UUID
    name: str
    size: int
    sha256: str
    media_type: str
    created_at: datetime
    path: Path


@dataclass(frozen=True, slots=True)
class StatsRow:
    """Task counts of one type and queue in a window. Times are seconds; None without samples."""

    type: str
    queue: str
    submitted: int
    completed: int
    failed: int
    cancelled: int
    retried: int
    wait_p50: float | None
    wait_p95: float | None
    run_p50: float | None
    run_p95: float | None
    wait_p99: float | None = None
    run_p99: float | None = None


class AI(Protocol):
    """The configured language model."""

    @property
    def has_vision(self) -> bool:
        """Whether ``describe_image`` can be called."""
        ...

    async def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        on_delta: Callable[[str], None] | None = None,
    ) -> Completion:
        """Answer ``messages``, streaming each piece of text to ``on_delta`` as it comes.

        Raises:
            ProviderUnavailable: 429, 5xx, a time-out or a broken connection; worth a retry.
            Fatal: any other refusal. MissingExtra: the embedded model is not installed.
        """
        ...

    async def describe_image(
        self, path: Path, media_type: str, question: str, *, model: str | None = None
    ) -> Completion:
        """Answer ``question`` about an image file. Raises as ``generate`` does."""
        ...


class Files(Protocol):
    """The tenant's file storage."""

    async def get(self, file_id: UUID) -> StoredFile:
        """Raises: FileMissing."""
        ...

    async def save(self, name: str, content: bytes | Path, media_type: str | None = None) -> StoredFile:
        """Store ``content`` (bytes, or a file that is copied); the type is sniffed where None."""
        ...

    async def fetch(self, url: str, *, max_bytes: int) -> Path:
        """Download ``url`` into a temporary file that lives as long as the run.

        Raises:
            OutboundRefused: the SSRF guard refused it. Fatal: over ``max_bytes``, or a 4xx.
            ProviderUnavailable: 429, 5xx, a time-out or a broken connection.
        """
        ...


class Mail(Protocol):
    """The configured SMTP server."""

    async def send(self, *, to: Sequence[str], subject: str, body: str, message_id: str) -> list[str]:
        """Send one plain-text mail; returns the addresses the server accepted.

        Raises: ProviderUnavailable (connection, 4xx); Fatal (every recipient refused, 5xx).
        """
        ...


class Stats(Protocol):
    """Task statistics of the tenant."""

    async def window(self, since: datetime, until: datetime) -> list[StatsRow]:
        """Counts and percentiles by type and queue of tasks created in [since, until)."""
        ...


class Log(Protocol):
    """A structlog-like logger, bound to the run: facts are keyword fields."""

    def debug(self, event: str, **facts: Any) -> Any: ...
    def info(self, event: str, **facts: Any) -> Any: ...
    def warning(self, event: str, **facts: Any) -> Any: ...
    def error(self, event: str, **facts: Any) -> Any: ...


class RunFacts(Protocol):
    """What both kinds of run know and can say without waiting."""

    @property
    def task_id(self) -> UUID: ...
    @property
    def attempt(self) -> int:
        """1 on the first run of a generation."""
        ...

    @property
    def max_attempts(self) -> int: ...
    @property
    def idempotency_key(self) -> str:
        """The same for every attempt of a generation: hand it to services that deduplicate."""
        ...

    @property
    def cancelled(self) -> bool:
        """Whether a cancel was requested; long loops should look."""
        ...

    @property
    def log(self) -> Log: ...

    def progress(self, percent: float, message: str = "") -> None:
        """Say how far the work is, 0 to 100. Cheap: call it as often as you like."""
        ...

    def emit(self, delta: str) -> None:
        """Append a piece of streamed output."""
        ...


class Run(RunFacts, Protocol):
    """The run of an ``async def`` handler."""

    @property
    def ai(self) -> AI: ...
    @property
    def files(self) -> Files: ...
    @property
    def mail(self) -> Mail: ...
    @property
    def stats(self) -> Stats: ...


class BlockingFiles(Protocol):
    """``Files``, for ``def`` handlers."""

    def get(self, file_id: UUID) -> StoredFile: ...
    def save(self, name: str, content: bytes | Path, media_type: str | None = None) -> StoredFile: ...
    def fetch(self, url: str, *, max_bytes: int) -> Path: ...


class BlockingAI(Protocol):
    """``AI``, for ``def`` handlers (no ``on_delta``: pieces go to ``emit`` by themselves)."""

    @property
    def has_vision(self) -> bool: ...
    def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> Completion: ...
    def describe_image(self, path: Path, media_type: str, question: str, *, model: str | None = None) -> Completion: ...


class BlockingMail(Protocol):
    """``Mail``, for ``def`` handlers."""

    def send(self, *, to: Sequence[str], subject: str, body: str, message_id: str) -> list[str]: ...


class BlockingStats(Protocol):
    """``Stats``, for ``def`` handlers."""

    def window(self, since: datetime, until: datetime) -> list[StatsRow]: ...


class BlockingRun(RunFacts, Protocol):
    """The run of a ``def`` handler, in a thread or a child process."""

    @property
    def ai(self) -> BlockingAI: ...
    @property
    def files(self) -> BlockingFiles: ...
    @property
    def mail(self) -> BlockingMail: ...
    @property
    def stats(self) -> BlockingStats: ...
