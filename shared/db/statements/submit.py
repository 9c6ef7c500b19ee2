"""Insert new tasks: any number of them in one statement, all or none. Those with a unique key go by ``unique``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text

from shared.db.lane import Runner
from shared.db.rows import dumps
from shared.domain.task import NewTask

# Arrays, one per column, unnested: the fastest plain INSERT there is (58–78 k rows/s), and one
# prepared statement for any number of rows. An array of arrays would be flattened, so tags travel as JSON.
INSERT_ROWS = """
    INSERT INTO tasks (id, tenant_id, type, queue, priority, max_attempts, timeout, input, metadata, tags,
                       request_id, traceparent, expires_at, run_at, callback_url, limits{column})
    SELECT u.id, u.tenant_id, u.type, u.queue, u.priority, u.max_attempts, u.timeout, u.input::jsonb,
           u.metadata::jsonb,
           CASE WHEN u.tags IS NOT NULL
                THEN (SELECT array_agg(tag) FROM jsonb_array_elements_text(u.tags::jsonb) AS tag) END,
           u.request_id, u.traceparent, u.expires_at,
           COALESCE(u.run_at, now() + make_interval(secs => COALESCE(u.delay, 0))), u.callback_url,
           COALESCE(u.limits, ''){value}
    FROM unnest(CAST(:ids AS uuid[]), CAST(:tenant_ids AS integer[]), CAST(:types AS text[]),
                CAST(:queues AS text[]), CAST(:priorities AS smallint[]),
                CAST(:max_attempts AS smallint[]), CAST(:timeouts AS double precision[]), CAST(:inputs AS text[]),
                CAST(:metadatas AS text[]), CAST(:tags AS text[]), CAST(:request_ids AS text[]),
                CAST(:traceparents AS text[]), CAST(:expires_ats AS timestamptz[]), CAST(:run_ats AS timestamptz[]),
                CAST(:delays AS double precision[]), CAST(:callback_urls AS text[]),
                CAST(:limits AS text[]){array})
         AS u (id, tenant_id, type, queue, priority, max_attempts, timeout, input, metadata, tags, request_id,
               traceparent, expires_at, run_at, delay, callback_url, limits{name})
"""
# All that the database decides is the moment, one for all rows: they need not come back.
INSERT = text(f"""
    WITH stored AS ({INSERT_ROWS.format(column="", value="", array="", name="")})
    SELECT now() AS created_at
""")


async def insert_tasks(runner: Runner, owned: Sequence[tuple[int, NewTask]]) -> datetime:
    """Store tasks, each with its tenant's id, as PENDING; returns their ``created_at``."""
    [row] = (await runner.execute(INSERT, parameters_of(owned))).mappings()
    created_at: datetime = row["created_at"]
    return created_at


def parameters_of(owned: Sequence[tuple[int, NewTask]]) -> dict[str, Any]:
    """The columns of tasks, each as an array."""
    tasks = [task for _, task in owned]
    return {
        "tenant_ids": [tenant_id for tenant_id, _ in owned],
        "ids": [t.id for t in tasks],
        "types": [t.type for t in tasks],
        "queues": [t.queue for t in tasks],
        "priorities": [t.priority for t in tasks],
        "max_attempts": [t.max_attempts for t in tasks],
        "timeouts": [t.timeout for t in tasks],
        "inputs": [dumps(t.input) for t in tasks],
        "metadatas": _seldom([dumps(t.metadata) if t.metadata else None for t in tasks]),
        "tags": _seldom([dumps(t.tags) if t.tags else None for t in tasks]),
        "request_ids": _seldom([t.request_id for t in tasks]),
        "traceparents": _seldom([t.traceparent for t in tasks]),
        "expires_ats": _seldom([t.expires_at for t in tasks]),
        "run_ats": _seldom([t.run_at for t in tasks]),
        "delays": _seldom([t.delay or None for t in tasks]),
        "callback_urls": _seldom([t.callback_url for t in tasks]),
        "limits": _seldom([t.limits or None for t in tasks]),
    }


def _seldom(column: list[Any]) -> list[Any]:
    """Empty where no task has a value: ``unnest`` fills up with NULLs, and nobody packs and unpacks a thousand."""
    return column if column.count(None) < len(column) else []
