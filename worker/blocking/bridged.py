"""The run a ``def`` handler is given: plain methods over a link to the live run.

One implementation for threads and child processes; what differs is the link. Knows neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import UUID

from shared.domain.run import ChatMessage, Completion, Log, StatsRow, StoredFile
from worker.blocking.pacer import Pacer


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run can say of itself without asking."""

    task_id: UUID
    attempt: int
    max_attempts: int
    idempotency_key: str


class Link(Protocol):
    """How a blocking run reaches the live one. Every method may be called from any thread.

    Raises: RunEnded, from each, once the run was given up or has ended.
    """

    @property
    def cancelled(self) -> bool: ...
    @property
    def log(self) -> Log: ...
    def tell(self, what: str, *values: Any) -> None:
        """Say ``progress`` or ``emit``, in order, without an answer."""
        ...

    def call(self, name: str, /, **arguments: Any) -> Any:
        """Have the live run do ``name``, and wait for what comes of it."""
        ...


class BridgedRun:
    """A ``BlockingRun`` over ``link``."""

    def __init__(self, facts: Facts, link: Link) -> None:
        self.task_id = facts.task_id
        self.attempt = facts.attempt
        self.max_attempts = facts.max_attempts
        self.idempotency_key = facts.idempotency_key
        self.ai = BridgedAI(link)
        self.files = BridgedFiles(link)
        self.mail = BridgedMail(link)
        self.stats = BridgedStats(link)
        self._link = link
        self._progress = Pacer(lambda percent, message: link.tell("progress", percent, message))

    @property
    def cancelled(self) -> bool:
        return self._link.cancelled

    @property
    def log(self) -> Log:
        self._progress.flush()
        return self._link.log

    def progress(self, percent: float, message: str = "") -> None:
        # float() takes numpy's and Decimal too, and refuses the rest where the handler can see it.
        self._progress.offer(float(percent), str(message))

    def emit(self, delta: str) -> None:
        self._progress.flush()
        self._link.tell("emit", str(delta))

    def finish(self) -> None:
        """Send the progress that is still held back; the handler has returned."""
        self._progress.flush()
        self._progress.close()


@dataclass(frozen=True, slots=True)
class BridgedAI:
    link: Link

    @property
    def has_vision(self) -> bool:
        return bool(self.link.call("ai.has_vision"))

    def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
    ) -> Completion:
        answer = self.link.call(
            "ai.generate", messages=list(messages), model=model, max_tokens=max_tokens, temperature=temperature
        )
        return cast("Completion", answer)

    def describe_image(self, path: Path, media_type: str, question: str, *, model: str | None = None) -> Completion:
        answer = self.link.call("ai.describe_image", path=path, media_type=media_type, question=question, model=model)
        return cast("Completion", answer)


@dataclass(frozen=True, slots=True)
class BridgedFiles:
    link: Link

    def get(self, file_id: UUID) -> StoredFile:
        return cast("StoredFile", self.link.call("files.get", file_id=file_id))

    def save(self, name: str, content: bytes | Path, media_type: str | None = None) -> StoredFile:
        given = content if isinstance(content, Path) else bytes(content)
        return cast("StoredFile", self.link.call("files.save", name=name, content=given, media_type=media_type))

    def fetch(self, url: str, *, max_bytes: int) -> Path:
        return cast("Path", self.link.call("files.fetch", url=url, max_bytes=max_bytes))


@dataclass(frozen=True, slots=True)
class BridgedMail:
    link: Link

    def send(self, *, to: Sequence[str], subject: str, body: str, message_id: str) -> list[str]:
        answer = self.link.call("mail.send", to=list(to), subject=subject, body=body, message_id=message_id)
        return cast("list[str]", answer)


@dataclass(frozen=True, slots=True)
class BridgedStats:
    link: Link

    def window(self, since: datetime, until: datetime) -> list[StatsRow]:
        return cast("list[StatsRow]", self.link.call("stats.window", since=since, until=until))
