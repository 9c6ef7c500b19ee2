"""A run without a worker: it records what a handler says, be that ``def`` or ``async def``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

from shared.domain.ids import new_id
from shared.testing.awaited import AwaitedAI, AwaitedFiles, AwaitedMail, AwaitedStats
from shared.testing.world import FakeAI, FakeFiles, FakeLog, FakeMail, FakeStats

if TYPE_CHECKING:
    from shared.domain.run import BlockingRun, Run

    def _both_are_what_handlers_are_promised(run: FakeRun) -> tuple[BlockingRun, Run]:
        return run, run.awaited


@dataclass
class FakeRun:
    """What a ``def`` handler is given; an ``async def`` one takes its ``awaited``. ``folder`` is where files go.

    ``progressed`` and ``emitted`` hold what was said, ``mail.sent``, ``files.stored``, ``ai.asked`` and ``log.lines``
    what was done; ``ai.pieces``, ``files.downloads`` and ``stats.rows`` are the answers.
    """

    folder: Path | None = None
    attempt: int = 1
    max_attempts: int = 4
    cancelled: bool = False
    task_id: UUID = field(default_factory=new_id)
    progressed: list[tuple[float, str]] = field(default_factory=list)
    emitted: list[str] = field(default_factory=list)
    ai: FakeAI = field(default_factory=FakeAI)
    mail: FakeMail = field(default_factory=FakeMail)
    stats: FakeStats = field(default_factory=FakeStats)
    log: FakeLog = field(default_factory=FakeLog)
    files: FakeFiles = field(init=False)

    def __post_init__(self) -> None:
        self.files = FakeFiles(self.folder)

    @property
    def idempotency_key(self) -> str:
        return f"{self.task_id}-1"

    @property
    def awaited(self) -> AwaitedRun:
        """The same run, for an ``async def`` handler."""
        return AwaitedRun(self)

    def progress(self, percent: float, message: str = "") -> None:
        self.progressed.append((percent, message))

    def emit(self, delta: str) -> None:
        self.emitted.append(delta)


class AwaitedRun:
    """What an ``async def`` handler is given; it satisfies ``Run``."""

    def __init__(self, plain: FakeRun) -> None:
        self._plain = plain
        self.files = AwaitedFiles(plain.files)
        self.ai = AwaitedAI(plain.ai)
        self.mail = AwaitedMail(plain.mail)
        self.stats = AwaitedStats(plain.stats)

    @property
    def task_id(self) -> UUID:
        return self._plain.task_id

    @property
    def attempt(self) -> int:
        return self._plain.attempt

    @property
    def max_attempts(self) -> int:
        return self._plain.max_attempts

    @property
    def idempotency_key(self) -> str:
        return self._plain.idempotency_key

    @property
    def cancelled(self) -> bool:
        return self._plain.cancelled

    @property
    def log(self) -> FakeLog:
        return self._plain.log

    def progress(self, percent: float, message: str = "") -> None:
        self._plain.progress(percent, message)

    def emit(self, delta: str) -> None:
        self._plain.emit(delta)
