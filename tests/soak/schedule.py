"""Which fault strikes when: drawn from a seed, before anything starts. The same seed gives the same list."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

FIRST_SECONDS = 4.0
LAST_SECONDS = 5.0
"""Left after the last fault, so that its end is seen under load."""
REST_SECONDS = (1.5, 3.5)
STRETCH = 5
CALM_SECONDS = 12.0
"""After each stretch of so many faults: when memory and connections are read."""


class Fault(StrEnum):
    """What is broken."""

    WORKER_KILLED = "worker: kill -9"
    WORKER_TOLD = "worker: SIGTERM"
    WORKER_STOPPED = "worker: SIGSTOP past its lease"
    API_KILLED = "API: kill -9"
    API_TOLD = "API: SIGTERM"
    VALKEY_KILLED = "Valkey: kill -9"
    VALKEY_FLUSHED = "Valkey: FLUSHALL"
    VALKEY_HANGS = "Valkey: hangs"
    VALKEY_CUT = "Valkey: connections cut"
    VALKEY_LATE = "Valkey: every answer late"
    POSTGRES_BACKEND = "PostgreSQL: kill -9 of a backend"
    POSTGRES_SESSIONS = "PostgreSQL: sessions ended"
    POSTGRES_CUT = "PostgreSQL: connections cut"
    POSTGRES_REFUSES = "PostgreSQL: refuses"
    POSTGRES_HANGS = "PostgreSQL: hangs"
    POSTGRES_LATE = "PostgreSQL: every answer late"


LASTS = {
    Fault.WORKER_STOPPED: (9.0, 12.0),
    Fault.VALKEY_KILLED: (1.0, 6.0),
    Fault.VALKEY_HANGS: (1.0, 6.0),
    Fault.VALKEY_LATE: (3.0, 6.0),
    Fault.POSTGRES_REFUSES: (1.0, 4.0),
    Fault.POSTGRES_HANGS: (1.0, 5.0),
    Fault.POSTGRES_LATE: (3.0, 6.0),
}
"""Seconds, from and to; what is not here is over at once."""


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault: ``rest`` seconds after the one before is over, for ``seconds``, on the ``target``-th of its kind."""

    rest: float
    fault: Fault
    seconds: float
    target: int
    delay: float
    """Seconds by which a late answer is late."""


def drawn(seed: int, length: float) -> list[Strike]:
    """The most faults that fit into ``length`` seconds. Each kind comes once before any comes again."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable schedule, not a secret
    strikes: list[Strike] = []
    deck: list[Fault] = []
    rest, planned = FIRST_SECONDS, 0.0
    while True:
        deck = deck or chance.sample(list(Fault), len(Fault))
        fault = deck.pop()
        seconds = chance.uniform(*LASTS[fault]) if fault in LASTS else 0.0
        planned += rest + seconds
        if planned > length - LAST_SECONDS:
            return strikes
        target, delay = chance.randrange(1_000), chance.uniform(0.01, 0.08)
        strikes.append(Strike(round(rest, 2), fault, round(seconds, 2), target, round(delay, 3)))
        rest = chance.uniform(*REST_SECONDS) + (CALM_SECONDS if len(strikes) % STRETCH == 0 else 0.0)
