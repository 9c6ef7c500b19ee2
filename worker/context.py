"""What a handler is given: progress and output on their way out, a cancel on its way in, providers beside."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from shared.domain.errors import describe
from shared.domain.run import AI, Files, Log, Mail, Stats
from shared.domain.task import ClaimedTask, Progress
from shared.logs import get_logger
from worker.live_board import LiveBoard, Outlet

if TYPE_CHECKING:
    from collections.abc import Callable


class ClosableFiles(Files, Protocol):
    """Files of a run; what it downloaded goes with ``close``."""

    async def close(self) -> None: ...


class LiveRun:
    """One run, as ``shared.domain.run.Run`` says."""

    def __init__(
        self,
        task: ClaimedTask,
        board: LiveBoard,
        *,
        ai: AI,
        mail: Mail,
        files: Callable[[ClaimedTask], ClosableFiles],
        stats: Callable[[ClaimedTask], Stats],
    ) -> None:
        self._task = task
        self._board = board
        self._make_files = files
        self._make_stats = stats
        self.ai = ai
        self.mail = mail
        self.cancelled = False
        self.last_progress: Progress | None = None

    # Most handlers use none of these, and some run for less time than it takes to make them.

    @cached_property
    def files(self) -> ClosableFiles:
        return self._make_files(self._task)

    @cached_property
    def _outlet(self) -> Outlet:
        return self._board.outlet(self._task)

    @property
    def has_said_anything(self) -> bool:
        return "_outlet" in self.__dict__

    @property
    def has_files(self) -> bool:
        """Whether the handler used any: then they are to be closed."""
        return "files" in self.__dict__

    @cached_property
    def stats(self) -> Stats:
        return self._make_stats(self._task)

    @cached_property
    def log(self) -> Log:
        return get_logger(f"task.{self._task.type}")

    @property
    def task_id(self) -> UUID:
        return self._task.id

    @property
    def attempt(self) -> int:
        return self._task.attempt

    @property
    def max_attempts(self) -> int:
        return self._task.max_attempts

    @property
    def idempotency_key(self) -> str:
        return f"{self._task.id}-{self._task.generation}"

    def progress(self, percent: float, message: str = "") -> None:
        # NaN compares with nothing; a handler's arithmetic must not end its run.
        value = 0.0 if math.isnan(percent) else min(100.0, max(0.0, float(percent)))
        self.last_progress = Progress(round(value, 2), describe(message, limit=500), datetime.now(UTC))
        self._outlet.progress(self.last_progress)

    def emit(self, delta: str) -> None:
        if delta:
            # A lone surrogate could not be encoded, and would end the flush of everybody's output.
            self._outlet.output(delta.encode("utf-8", "replace").decode("utf-8"))
