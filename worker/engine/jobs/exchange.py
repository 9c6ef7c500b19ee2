"""What a worker asks of Redis in one exchange, what it is told, and both on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import msgpack

from worker.engine.jobs.keys import AGAIN, END

MOST = 500
"""Jobs in each part of one script call: a longer one would hold Redis up for others."""


class Claimed(NamedTuple):
    """A job this worker holds, as the script answers. ``place`` is its queue's among the worker's."""

    job_id: str
    place: int
    token: str
    score: int
    tries: int
    payload: bytes | None
    abort_ms: int | None


class Ended(NamedTuple):
    """A run that is over for good. No ``result``: none is kept. ``ttl_ms`` 0: kept for ever."""

    job_id: str
    place: int
    token: str
    tries: int
    verb: int = END
    result: bytes | bool = False
    ttl_ms: int = 0
    bar_ms: int = 0
    """How long the id must not run again: a cron job's tick, which several workers may enqueue."""


class Again(NamedTuple):
    """A run whose job waits again: for ``delay_ms``, or at its old place in the queue."""

    job_id: str
    place: int
    token: str
    tries: int
    verb: int = AGAIN
    delay_ms: int | bool = False
    score: int = 0
    leave_tries: int = 0


def handed_back(job: Claimed) -> Again:
    """A claim that never started: it costs no try."""
    return Again(job.job_id, job.place, job.token, job.tries, score=job.score, leave_tries=job.tries - 1)


@dataclass(slots=True)
class Ask:
    """One exchange. ``order`` holds places of queues, from 1, in the order to claim from."""

    number: int
    token: str
    want: int
    lease_ms: int
    order: Sequence[int]
    finish: Sequence[Ended | Again] = ()
    renew: Sequence[tuple[str, int, str, int]] = ()
    allow_abort: bool = False
    aborts_from: int = 0

    def packed(self) -> bytes:
        fields = {name: getattr(self, name) for name in self.__slots__}
        # The server's library knows the old format alone: no type of its own for bytes.
        return cast("bytes", msgpack.packb(fields | {"page": MOST}, use_bin_type=False))


@dataclass(slots=True)
class Answer:
    """``accepted`` goes with ``Ask.finish``; ``lost`` are places in ``Ask.renew``, from 0."""

    accepted: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    aborts: list[tuple[str, int]] = field(default_factory=list)
    claimed: list[Claimed] = field(default_factory=list)
    next_due_s: float | None = None
    queued: int = 0
    has_more: bool = False

    @classmethod
    def of(cls, reply: Sequence[Any], token: str) -> Answer:
        accepted, lost, asked, claimed, next_due, queued, more = reply
        return cls(
            accepted,
            [place - 1 for place in lost],
            [(one.decode(), int(float(at))) for one, at in zip(asked[::2], asked[1::2], strict=True)],
            [Claimed(one.decode(), place, token, *rest) for one, place, *rest in claimed],
            None if next_due < 0 else next_due / 1000,
            queued,
            bool(more),
        )
