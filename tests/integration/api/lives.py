"""Tasks lived by hand, claimed, spoken for and settled as a worker does; and readers of their streams."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import pytest

from shared.broker.connection import Broker, connect
from shared.domain.task import ClaimedTask, Progress
from shared.domain.verdict import Verdict, completed
from shared.queue.claim import Claimant, claim_hinted
from shared.queue.settle import Settlement, settle
from shared.queue.stores import Stores
from tests.integration.broker.conftest import eventually
from tests.support.listening import PATIENCE_S, Listener, listening
from worker.live_board import LiveBoard, Outlet


@pytest.fixture
def patient_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a quarter of a second passes easily, and words are dropped by design: here they must not be."""
    guarded = Broker.guarded

    async def patiently(self: Broker, call: Awaitable[Any], *, timeout: float = 0.0) -> Any:
        return await guarded(self, call, timeout=max(timeout, PATIENCE_S))

    monkeypatch.setattr(Broker, "guarded", patiently)
    monkeypatch.setitem(connect.__kwdefaults__ or {}, "socket_timeout", PATIENCE_S)


class Life:
    """One task's."""

    def __init__(self, stores: Stores, who: Claimant, task_id: UUID) -> None:
        self.id = task_id
        self.run: ClaimedTask
        self._stores = stores
        self._who = who
        self._board = LiveBoard(stores)
        self._outlet: Outlet

    @property
    def path(self) -> str:
        return f"/api/v1/tasks/{self.id}/events"

    async def start(self) -> None:
        [self.run] = await claim_hinted(self._stores, self._who, [self.id])
        self._outlet = self._board.outlet(self.run)

    async def say(self, *pieces: str) -> None:
        for piece in pieces:
            self._outlet.output(piece)
            await self._board.flush()

    async def progress(self, percent: float) -> None:
        self._outlet.progress(Progress(percent, "on the way", self.run.started_at))
        await self._board.flush()

    async def end(self, verdict: Verdict | None = None) -> None:
        verdict = verdict or completed('{"text": "all"}')
        ending = Settlement(1, self.id, self.run.lease, verdict, None, self.run.type, self.run.wait)
        assert (await settle(self._stores, [ending]))[0] is not None


async def replayed(url: str, path: str, after: str | None = None) -> Listener:
    """The whole of a stream that ends by itself."""
    async with listening(url, path, after=after) as reader:
        await reader.ended()
    return reader


async def listens(reader: Listener) -> None:
    """Until the reader of a feed misses nothing any more."""

    async def is_told() -> bool:
        return ": listening" in reader.comments

    await eventually(is_told)
