"""Every Redis key and how long it lives. Names in arq's database are arq's own; all but the queues expire.

In arq's database, REDIS_URL:

    arq:queue:<queue>:<priority>   sorted set of task ids, score = when due (ms, Redis time)
    arq:job:<id>                   the arq job: msgpack, never pickle
    arq:queue:wake:<queue>         a list of at most one element: a worker blocks on it

In the result database, REDIS_RESULT_URL:

    progress:<id>:<gen>:<attempt>  JSON, the last progress of a run
    output:<id>:<start>            stream of what one run said: pieces of output, progress; ids are the run's numbers
    result:<id>                    JSON copy of a finished task's result; the row is the record
    throughput:<tenant>:<queue>:<bucket>  how many tasks ended in ten seconds
    rate:<key>:<window>            how many requests an API key made in that window
    listening:<tenant>             somebody reads the tenant's feed; the value is the feed's epoch
    feed:<tenant>                  stream of what happens to the tenant's tasks, written while somebody listens
    taskrunner:<db>:finals         a channel: ids of tasks that just became final
    taskrunner:<db>:moves          a channel: ids of tasks that just changed their state, and of their tenants
    taskrunner:<db>:said           a channel: ids of tasks whose run just said something
    taskrunner:<db>:cancels        a channel: running tasks somebody wants to end, as id:generation
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from uuid import UUID

from arq.constants import default_queue_name, job_key_prefix

from shared.domain.ids import EPOCH

QUEUE_PREFIX = default_queue_name + ":"
JOB_PREFIX = job_key_prefix
WAKE_PREFIX = QUEUE_PREFIX + "wake:"
HEALTH_KEY = QUEUE_PREFIX + "health-check"
TASK_FUNCTION = "run_task"
"""The function name in our arq jobs."""

FINALS_CHANNEL = "finals"
CANCELS_CHANNEL = "cancels"
MOVES_CHANNEL = "moves"
SAID_CHANNEL = "said"

HINT_LIMIT = 10_000
"""Due hints kept for one queue and priority, and as many deferred ones; the poll finds what did not fit."""
JOB_TTL_EXTRA_MS = 86_400_000
PROGRESS_TTL_SECONDS = 3_600
PROGRESS_AFTER_END_SECONDS = 30
"""A reader who saw the row just before its end still finds the progress."""
OUTPUT_MAX_ENTRIES = 20_000
NOTES_TTL_SECONDS = 60
"""Of a run that told of its progress and streamed nothing: nobody reads that later, and there may be many such."""
FEED_MAX_ENTRIES = 10_000
LISTENING_TTL_SECONDS = 60
"""How long after its last reader a tenant's feed is still written: a reader may come back and miss nothing."""
THROUGHPUT_TTL_SECONDS = 3_720
"""An hour is looked back on, by those who open a chart."""

is_id = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch
"""Whether bytes out of Redis are a task's id as we write it. Anybody may have put something else there."""


def queue_key(queue: str, priority: int) -> str:
    return f"{QUEUE_PREFIX}{queue}:{priority}"


def wake_key(queue: str) -> str:
    return WAKE_PREFIX + queue


def progress_key(task_id: UUID, generation: int, attempt: int) -> str:
    """One key a run: what an earlier run said is never taken for the next one's."""
    return f"progress:{task_id}:{generation}:{attempt}"


def output_key(task_id: UUID, started_at: datetime) -> str:
    """One key a run, named by its start: a late worker's words never mix with those of the next run."""
    return f"output:{task_id}:{(started_at - EPOCH) // timedelta(microseconds=1)}"


def listening_key(tenant_id: int) -> str:
    return f"listening:{tenant_id}"


def feed_key(tenant_id: int) -> str:
    return f"feed:{tenant_id}"


def result_key(task_id: UUID) -> str:
    return f"result:{task_id}"


def throughput_key(tenant_id: int, queue: str, bucket: int) -> str:
    return f"throughput:{tenant_id}:{queue}:{bucket}"


def rate_key(key_id: str, window: int) -> str:
    return f"rate:{key_id}:{window}"
