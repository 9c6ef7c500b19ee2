"""Limits: how many tasks may run, or start, at a time. Pure: their names, how high they are, and who goes next.

A task carries the names of its limits from its submit on; how high they are, whoever claims knows. Tasks of one
queue, tenant and set of limits wait in one line: what keeps the first of it back keeps back the whole line, so that
no claim ever looks at the rest.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

from shared.domain.rates import Rate

BETWEEN = "\n"
"""Stands between the names; none of them may hold it."""


def limits_text(*, type: str | None, queue: str | None, key: str | None) -> str:
    """What a task carries: the names of the limits that are given. Empty: it has none."""
    given = (("type", type), ("queue", queue), ("key", key))
    return BETWEEN.join([f"{kind}:{name}" for kind, name in given if name is not None])


def names_in(tenant_id: int, limits: str) -> tuple[str, ...]:
    """The names in a task's text, as no two tenants share one: a key is its tenant's own."""
    parts = limits.split(BETWEEN) if limits else []
    return tuple(f"key:{tenant_id}:{part[4:]}" if part.startswith("key:") else part for part in parts)


@dataclass(frozen=True, slots=True)
class Limits:
    """How high limits are, as this process was told. A name that nobody knows any more limits nothing."""

    at_once: Mapping[str, int] = field(default_factory=dict)
    rates: Mapping[str, Rate] = field(default_factory=dict)
    per_key: int = 1

    def most(self, name: str) -> int | None:
        """How many may run at once."""
        return self.per_key if name.startswith("key:") else self.at_once.get(name)

    def known(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that limit anything, each once, in order."""
        return sorted({name for name in names if self.most(name) is not None or name in self.rates})

    def room(self, names: Iterable[str], running: Mapping[str, int], ahead: Mapping[str, float]) -> dict[str, int]:
        """How many more may start under each of ``names``."""
        return {name: self._room(name, running.get(name, 0), ahead.get(name, 0.0)) for name in names}

    def _room(self, name: str, running: int, ahead: float) -> int:
        most, rate = self.most(name), self.rates.get(name)
        by_count = math.inf if most is None else most - running
        by_rate = math.inf if rate is None else rate.allowed(ahead)
        return max(0, int(min(by_count, by_rate, 1_000_000)))


@dataclass(frozen=True, slots=True)
class Line:
    """Tasks that wait under the same limits. ``due`` of them could start; the first has ``priority`` and ``run_at``."""

    queue: str
    tenant_id: int
    limits: str
    due: int
    priority: int
    run_at: datetime

    @property
    def names(self) -> tuple[str, ...]:
        return names_in(self.tenant_id, self.limits)

    @property
    def place(self) -> tuple[str, int, str]:
        """Where it stands in the order of the index."""
        return self.queue, self.tenant_id, self.limits


def share_out(
    lines: Sequence[Line], room: Mapping[str, int], most: int, *, queues: Sequence[str], after: int
) -> dict[Line, int]:
    """How many to take from each line, ``most`` in all, with no limit's ``room`` exceeded.

    By queue as given; within one the tenants take turns, beginning behind ``after``; of one tenant's lines
    the one whose first task is most urgent begins. A name without an entry in ``room`` has no limit.
    """
    left, granted = dict(room), Counter[Line]()
    in_order = sorted(lines, key=lambda line: queues.index(line.queue))
    for _, in_queue in groupby(in_order, key=lambda line: line.queue):
        turns = _turns(list(in_queue), after)
        while turns and granted.total() < most:
            mine = turns.popleft()
            while mine and not _may_go(mine[0], granted, left):
                mine.popleft()  # room only shrinks: it will not do later either
            if mine:
                granted[mine[0]] += 1
                left.update({name: left[name] - 1 for name in mine[0].names if name in left})
                mine.rotate(-1)
                turns.append(mine)
    return dict(granted)


def _turns(lines: list[Line], after: int) -> deque[deque[Line]]:
    """The lines of each tenant, the most urgent first, in the order in which the tenants take turns."""
    lines.sort(key=lambda line: (line.tenant_id <= after, line.tenant_id, line.priority, line.run_at))
    return deque(deque(of_one) for _, of_one in groupby(lines, key=lambda line: line.tenant_id))


def _may_go(line: Line, granted: Counter[Line], left: Mapping[str, int]) -> bool:
    return granted[line] < line.due and all(left.get(name, 1) > 0 for name in line.names)
