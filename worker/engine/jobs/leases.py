"""Which leases are due to be renewed, and what becomes of runs that lost theirs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from worker.engine.jobs.exchange import MOST
from worker.engine.jobs.runner import Run
from worker.engine.jobs.verdict import Order

logger = logging.getLogger("arq.worker")


class Leases:
    """Renews each lease between a quarter and half of its life, many in one exchange."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._step = seconds / 4
        self._next_look = 0.0

    def due(self, runs: Iterable[Run], now: float) -> list[Run]:
        """The runs to renew now (``now``: monotonic); a long list goes on with the next exchange."""
        if now < self._next_look:
            return []
        due = [run for run in runs if run.held_at + self._step <= now]
        self._next_look = now if len(due) > MOST else now + self._step
        return due[:MOST]

    @staticmethod
    def renewed(runs: Sequence[Run], lost: Sequence[int], asked_at: float) -> None:
        """Take the answer to a renewal asked for at ``asked_at``."""
        for run in runs:
            run.held_at = asked_at
        for place in lost:
            run = runs[place]
            if run.order is not Order.LOST:
                logger.warning("job %s is another worker's now: its lease had ended here", run.claimed.job_id)
                run.order = None
                run.end(Order.LOST)
