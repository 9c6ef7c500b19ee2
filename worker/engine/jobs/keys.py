"""Key names of the engine for plain arq jobs. arq's own, and of ours:

<queue>:wake           a list of at most one element: an idle worker blocks on it
<queue>:paused         nothing of this queue is claimed while it exists; it lives until somebody resumes
arq:exchange:<worker>  what a worker was last told, so that it can ask again; expires
"""

from __future__ import annotations

from arq.constants import (
    abort_jobs_ss,
    in_progress_key_prefix,
    job_key_prefix,
    result_key_prefix,
    retry_key_prefix,
)

WAKE_SUFFIX = ":wake"
PAUSED_SUFFIX = ":paused"
EXCHANGE_PREFIX = "arq:exchange:"
END, AGAIN = 1, 2
"""How a run ended, in ``lua/finish.lua``: for good, or to be run again."""

IN_LUA: dict[str, str | int] = {
    "JOB": job_key_prefix,
    "LEASE": in_progress_key_prefix,
    "RESULT": result_key_prefix,
    "RETRY": retry_key_prefix,
    "ABORT": abort_jobs_ss,
    "WAKE": WAKE_SUFFIX,
    "PAUSED": PAUSED_SUFFIX,
    "ENDED": "ended",
    "END": END,
    "AGAIN": AGAIN,
    "RETRY_SECONDS": 88_400,
    "WAKE_MS": 60_000,
    "KEEP_MS": 60_000,
}
"""Names the scripts know. How long the count of tries lives is arq's number."""


def wake_key(queue: str) -> str:
    return queue + WAKE_SUFFIX


def paused_key(queue: str) -> str:
    return queue + PAUSED_SUFFIX
