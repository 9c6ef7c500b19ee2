"""Gathers what the checker decides from: the ledger's lines and the database's rows."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from tests.support.facts import Attempt, Call, Effect, Evidence, Row

TASKS = """
    SELECT t.id::text, t.status, t.version, t.attempt, t.max_attempts, t.generation, t.losses, t.cancel_requested,
           t.outcome, t.result ->> 'text' AS result, extract(epoch FROM t.started_at)::float8 AS started_at,
           extract(epoch FROM t.created_at)::float8 AS created_at, COALESCE(t.input ->> 'key', '') AS key, w.pid,
           t.queue
    FROM tasks t LEFT JOIN workers w ON w.id = t.worker_id ORDER BY t.id
"""
ATTEMPTS = """
    SELECT task_id::text, version, attempt, generation, outcome, extract(epoch FROM started_at)::float8 AS started_at
    FROM attempts ORDER BY task_id, version
"""


async def gathered(database_url: str, ledger: Path, calls: Sequence[Call]) -> Evidence:
    """All evidence of one test. ``database_url`` should go round any proxy."""
    connection = await asyncpg.connect(database_url.replace("+asyncpg", "", 1), timeout=10)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            attempts = defaultdict(list)
            for record in await connection.fetch(ATTEMPTS, timeout=60):
                task_id, *facts = record.values()
                attempts[task_id].append(Attempt(*facts))
            rows = [Row(**record, attempts=attempts[record["id"]]) for record in await connection.fetch(TASKS)]
        offset = await _offset(connection)
    finally:
        await connection.close(timeout=5)
    return Evidence(calls, ledger_of(ledger), rows, offset)


async def _offset(connection: asyncpg.Connection) -> float:
    """What to add to this process's monotonic time to have the database's clock: by the quickest of some answers."""
    readings: list[tuple[float, float]] = []
    for _ in range(5):
        asked_at = time.monotonic()
        told = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8", timeout=60)
        answered_at = time.monotonic()
        readings.append((answered_at - asked_at, told - (asked_at + answered_at) / 2))
    return min(readings)[1]


def ledger_of(path: Path) -> list[Effect]:
    """The lines of a ledger; none where no run began yet."""
    if not path.exists():
        return []
    return [Effect(*json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def started_of(path: Path) -> set[str]:
    """The ids of the tasks that have started."""
    return {effect.task_id for effect in ledger_of(path)}
