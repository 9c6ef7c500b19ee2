"""What ``top`` shows and what its keys change: the newest look, the rates so far, the order, the chosen task. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

import service.client as sdk
from service.cli.top.snapshot import Snapshot

MOST_RATES = 240
Order: TypeAlias = Callable[[sdk.Task], Any]


def _started(task: sdk.Task) -> float:
    moment = task.started_at or task.created_at
    return moment.timestamp() if isinstance(moment, datetime) else 0.0


ORDERS: dict[str, Order] = {
    "newest": lambda task: -_started(task),
    "oldest": _started,
    "progress": lambda task: -(task.progress.percent if task.progress else 0.0),
    "type": lambda task: (task.type, _started(task)),
}


@dataclass
class Board:
    """``age`` is seconds since the newest look was answered, ``trouble`` why there is no newer one.

    ``patience``: seconds without an answer that need no mention.
    """

    seen: Snapshot
    hour: sdk.Stats | None = None
    rates: deque[float | None] = field(default_factory=lambda: deque(maxlen=MOST_RATES))
    age: float = 0.0
    patience: float = 5.0
    trouble: str | None = None
    is_paused: bool = False
    order: str = next(iter(ORDERS))
    chosen: str | None = None
    is_open: bool = False
    last_seen: sdk.Task | None = None

    def __post_init__(self) -> None:
        self.rates.append(self.seen.throughput)

    def take(self, seen: Snapshot) -> None:
        """A newer look. A task that is looked at stays as it was last seen, when it is no longer among them."""
        if seen is not self.seen:
            self.rates.append(seen.throughput)
            self.last_seen = self.task if self.is_open else None
            self.seen = seen

    def press(self, key: str) -> bool:
        """Whether it goes on."""
        match key:
            case "q":
                return False
            case "p":
                self.is_paused = not self.is_paused
            case "s":
                names = list(ORDERS)
                self.order = names[(names.index(self.order) + 1) % len(names)]
            case "up":
                self._move(-1)
            case "down":
                self._move(+1)
            case "enter":
                if self.task is None:
                    self._move(+1)
                self.is_open = self.task is not None and not self.is_open
            case "escape":
                self.is_open, self.chosen = False, self.chosen if self.is_open else None
        return True

    @property
    def is_old(self) -> bool:
        """What is shown may not be so any more, and nobody meant it to be."""
        return not self.is_paused and (self.trouble is not None or self.age > self.patience)

    @property
    def running(self) -> list[sdk.Task]:
        """In the order asked for."""
        return sorted(self.seen.running, key=ORDERS[self.order])

    @property
    def task(self) -> sdk.Task | None:
        """The chosen one."""
        found = next((task for task in self._rows() if task.id == self.chosen), None)
        return found or (self.last_seen if self.is_open else None)

    @property
    def has_left(self) -> bool:
        """The chosen task is neither among the running ones nor among the failures."""
        return self.chosen not in {task.id for task in self._rows()}

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {**self.seen.document(), "hour": self.hour.document() if self.hour else None}

    def _rows(self) -> list[sdk.Task]:
        return [*self.running, *self.seen.failures]

    def _move(self, step: int) -> None:
        ids = [task.id for task in self._rows()]
        if not ids:
            return
        if self.chosen in ids:
            self.chosen = ids[max(0, min(len(ids) - 1, ids.index(self.chosen) + step))]
        else:
            self.chosen = ids[0 if step > 0 else -1]
