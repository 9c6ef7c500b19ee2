"""The heartbeat's own connection: one statement a second, from a thread with its own event loop.

It stands beside the session layer on purpose: a pool belongs to one loop, and a heartbeat must not
wait for a connection behind anybody's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from uuid import UUID

import asyncpg
import orjson

from shared.db.address import driver_arguments
from shared.db.session import SERVER_SETTINGS
from shared.domain.cancels import CancelRequest

CONNECT_TIMEOUT = 2.0
"""Shorter than a lease: one lost packet must not look like a death."""

STATEMENT_TIMEOUT = 2.0

IMPATIENT = "SET lock_timeout = 500"
"""A migration may hold ``tasks`` for longer than a lease, which is nobody's death: so beat without cancels then."""

BEAT_ALONE = """
    WITH me AS (
        UPDATE workers SET beat = beat + 1, seen_at = now(), state = CASE state WHEN 'draining' THEN state ELSE $2 END
        WHERE id = $1 AND state <> 'dead' RETURNING state
    )
    SELECT EXISTS (SELECT FROM me) AS is_alive, EXISTS (SELECT FROM me WHERE state = 'draining') AS must_drain,
           (SELECT jsonb_object_agg(w.id, w.beat) FROM workers w WHERE w.state <> 'dead') AS counters
"""
BEAT = f"""
    {BEAT_ALONE}, ARRAY(SELECT format('%s:%s', t.id, t.generation) FROM tasks t
                        WHERE t.worker_id = $1 AND t.status = 'PROCESSING' AND t.cancel_requested) AS cancels
"""  # noqa: S608 - of texts of our own


@dataclass(frozen=True, slots=True)
class Beat:
    """What one heartbeat brought back. ``is_alive`` False: this worker was declared dead.

    ``must_drain``: its row says draining, by its own word or because somebody asked for it.
    """

    is_alive: bool
    counters: dict[UUID, int]
    cancels: list[CancelRequest]
    must_drain: bool


class HeartbeatConnection:
    """``async with await HeartbeatConnection.open(url)``. Raises what asyncpg raises; the caller opens a new one."""

    def __init__(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, url: str) -> Self:
        arguments = driver_arguments(url)
        settings = {**SERVER_SETTINGS, "application_name": "taskrunner-heartbeat"}
        connection = await asyncpg.connect(**{**arguments, "timeout": CONNECT_TIMEOUT, "server_settings": settings})
        try:
            await connection.execute(IMPATIENT, timeout=STATEMENT_TIMEOUT)
        except BaseException:
            connection.terminate()
            raise
        return cls(connection)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._connection.terminate()

    async def beat(self, worker_id: UUID, state: str) -> Beat:
        try:
            row = await self._connection.fetchrow(BEAT, worker_id, state, timeout=STATEMENT_TIMEOUT)
        except asyncpg.LockNotAvailableError:
            row = await self._connection.fetchrow(BEAT_ALONE, worker_id, state, timeout=STATEMENT_TIMEOUT)
        assert row is not None  # noqa: S101 # nosec B101 # a SELECT without FROM gives one row
        counters = orjson.loads(row["counters"] or "{}")
        cancels = [CancelRequest.parse(told) for told in row.get("cancels", ())]
        return Beat(row["is_alive"], {UUID(k): v for k, v in counters.items()}, cancels, row["must_drain"])
