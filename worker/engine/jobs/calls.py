"""Reading a claimed job: which function it calls, with what, and what speaks against running it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from arq.cron import CronJob
from arq.jobs import Deserializer, SerializationError, deserialize_job_raw
from arq.worker import Function, JobExecutionFailed

from worker.engine.jobs.exchange import Claimed

CLOCKS_MS = 1_000
"""What the clocks of those who enqueue and those who abort may differ by."""


class Call(NamedTuple):
    """What a job asks for. ``job_try`` is at least what its producer set."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    job_try: int
    enqueued_ms: int


def read_call(job: Claimed, deserializer: Deserializer | None) -> tuple[Call, Exception | None]:
    """The call, and the error if it can't be read; then the call is arq's stand-in for an unknown one."""
    unknown = Call("<unknown>", (), {}, job.tries, 0)
    if job.payload is None:
        return unknown, JobExecutionFailed("job expired")
    try:
        name, args, kwargs, least_try, enqueued_ms = deserialize_job_raw(job.payload, deserializer=deserializer)
        if not isinstance(name, str):
            raise TypeError("a function is named by a text")
        return Call(name, tuple(args), dict(kwargs), max(job.tries, least_try or 0), int(enqueued_ms)), None
    except SerializationError as error:
        return unknown, error
    except (TypeError, ValueError) as error:
        return unknown, SerializationError(f"not a job of arq's: {error}")


def objection(
    job: Claimed, call: Call, functions: Mapping[str, Function | CronJob], max_tries: int
) -> BaseException | None:
    """Why the job must not run; None if it may."""
    if job.abort_ms is not None and not is_stale(job.abort_ms, call.enqueued_ms):
        return asyncio.CancelledError()
    function = functions.get(call.name)
    if function is None:
        return JobExecutionFailed(f"function {call.name!r} not found")
    allowed = max_tries if function.max_tries is None else function.max_tries
    if call.job_try > allowed:
        return JobExecutionFailed(f"max {allowed} retries exceeded")
    return None


def is_stale(abort_ms: int, enqueued_ms: int) -> bool:
    """Whether a request to abort is older than the job: it meant an earlier one of the same id."""
    return abort_ms + CLOCKS_MS < enqueued_ms


def now_ms() -> int:
    return time.time_ns() // 1_000_000
