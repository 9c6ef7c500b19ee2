"""What becomes of a job whose run is over: pure."""

from __future__ import annotations

import asyncio
from enum import Enum, auto

from arq.worker import Retry, RetryJob


class Order(Enum):
    """Why a run was told to end."""

    ABORT = auto()
    LOST = auto()
    """Another worker has the job: this run's lease ended unrenewed."""
    LATE = auto()
    """Its time limit has passed."""


class Verdict(Enum):
    COMPLETE = auto()
    FAILED = auto()
    ABORTED = auto()
    RETRY = auto()
    """The job asked for it."""
    AGAIN = auto()
    """It was cancelled, as at shutdown."""
    FORGET = auto()
    """It is another worker's now."""


OF_THE_CANCELLED = {Order.ABORT: Verdict.ABORTED, Order.LOST: Verdict.FORGET, Order.LATE: Verdict.FAILED}


def verdict(error: BaseException | None, order: Order | None, *, retry_jobs: bool) -> Verdict:
    """Decide by what the job raised, and what it was told."""
    if error is None:
        return Verdict.COMPLETE
    was_cancelled = isinstance(error, asyncio.CancelledError)
    if was_cancelled and order is not None:
        return OF_THE_CANCELLED[order]
    if retry_jobs and isinstance(error, Retry):
        return Verdict.RETRY
    if retry_jobs and (was_cancelled or isinstance(error, RetryJob)):
        return Verdict.AGAIN
    return Verdict.FAILED
