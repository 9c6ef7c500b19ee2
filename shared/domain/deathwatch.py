"""When is a worker dead? A pure judge over readings of heartbeat counters.

A worker is dead when its counter stood still for ``patience`` seconds of the *watcher's* monotonic
clock, by prompt and regular readings alone. What passes until a slow or late one counts for nothing, and
leaves everybody half the patience at least; a failed one starts the watch anew. So a watcher that was
stopped, or a database that hiccupped, kills nobody, and no hiccup makes a real death wait twice as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

PROMPT_SECONDS = 1.0
"""A reading that took longer says nothing about the workers."""
REGULAR_SECONDS = 3.0
"""A longer gap between two readings means that the watcher itself stood still."""

PATIENCE_AT_START = 3
"""Times the patience for who has never beaten: it starts, on a busy machine perhaps, and holds no task before that."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A worker whose counter stood still at ``beat``: declare it dead only if it still does."""

    worker_id: UUID
    beat: int


class DeathWatch:
    """One watcher's memory. Times are seconds of one monotonic clock."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._since: dict[UUID, tuple[int, float]] = {}
        self._last_answer: float | None = None

    def failed(self) -> None:
        """A reading failed: start anew."""
        self._since.clear()
        self._last_answer = None

    def read(self, counters: Mapping[UUID, int], *, asked_at: float, answered_at: float) -> list[Suspect]:
        """Take a reading; returns who is dead by it."""
        is_prompt = answered_at - asked_at <= PROMPT_SECONDS
        is_regular = self._last_answer is None or asked_at - self._last_answer <= REGULAR_SECONDS
        if not (is_prompt and is_regular):
            self._forgive(answered_at)
        self._last_answer = answered_at
        self._since = {
            worker: known if (known := self._since.get(worker)) and known[0] == beat else (beat, answered_at)
            for worker, beat in counters.items()
        }
        return [
            Suspect(worker, beat)
            for worker, (beat, since) in self._since.items()
            if asked_at - since >= self._patience_with(beat)
        ]

    def _forgive(self, now: float) -> None:
        """Take out what passed since the last answer; who was nearly given up still has time to beat."""
        unseen = 0.0 if self._last_answer is None else now - self._last_answer
        self._since = {
            worker: (beat, max(since + unseen, now - self._patience_with(beat) / 2))
            for worker, (beat, since) in self._since.items()
        }

    def _patience_with(self, beat: int) -> float:
        return self._patience * (1 if beat else PATIENCE_AT_START)
