"""Failpoints: every await of a verb that leaves the process is numbered, and at one of them something happens.

The product is not changed for it: its sessions and its broker are wrapped from outside. A pass without
harm tells how many awaits there are, so a new one is covered the day it is written.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, TypeVar, assert_never, cast

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from shared.broker.connection import Broker
from shared.db.lane import Runner
from shared.db.session import Database, translated_outages
from shared.queue.batches import Batches
from shared.queue.stores import Stores

T = TypeVar("T")


class Harm(StrEnum):
    """What happens at a failpoint."""

    DIES_BEFORE = "the process dies before"
    DIES_AFTER = "the process dies after"
    AWAY = "the store is away"
    REPLY_LOST = "the reply is lost"
    CANCELLED = "the caller is cancelled"

    @property
    def is_after(self) -> bool:
        return self in {Harm.DIES_AFTER, Harm.REPLY_LOST}

    @property
    def is_death(self) -> bool:
        return self in {Harm.DIES_BEFORE, Harm.DIES_AFTER}


class Died(BaseException):
    """The process ended here: nothing in it may catch this."""


class Failpoints:
    """Numbers the awaits it is told of, and does ``harm`` at the ``at``-th. ``passed`` names them in order."""

    def __init__(self, harm: Harm | None = None, at: int = -1) -> None:
        self.passed: list[str] = []
        self._harm = harm
        self._at = at

    @property
    def has_struck(self) -> bool:
        return len(self.passed) > self._at >= 0

    async def around(self, name: str, call: Callable[[], Awaitable[T]], away: Callable[[], T]) -> T:
        """``away`` is what the call comes to when its store is away."""
        is_here = len(self.passed) == self._at
        self.passed.append(name)
        if not is_here or self._harm is None:
            return await call()
        if not self._harm.is_after:
            return await self._before(self._harm, call, away)
        await call()
        if self._harm is Harm.DIES_AFTER:
            raise Died
        return away()

    async def _before(self, harm: Harm, call: Callable[[], Awaitable[T]], away: Callable[[], T]) -> T:
        match harm:
            case Harm.DIES_BEFORE:
                raise Died
            case Harm.AWAY:
                return away()
            case Harm.CANCELLED:
                # From outside, in the midst of the call, as a cancel comes.
                caller = cast("asyncio.Task[Any]", asyncio.current_task())
                asyncio.get_running_loop().call_soon(caller.cancel)
                return await call()
            case Harm.DIES_AFTER | Harm.REPLY_LOST:
                raise AssertionError(harm)
            case _:
                assert_never(harm)


def harmed(stores: Stores, points: Failpoints) -> Stores:
    """``stores`` over which every await passes ``points``."""
    wrapped = copy.copy(stores)
    wrapped.db = FailingDatabase(stores.db, points)
    wrapped.broker = FailingBroker(stores.broker, points)
    wrapped.batches = Batches(wrapped.db)
    return wrapped


class FailingDatabase(Database):
    """Shares the engine of another one. Failpoints: connect, each statement, commit."""

    def __init__(self, real: Database, points: Failpoints) -> None:
        self.__dict__.update(real.__dict__)
        self._points = points

    @asynccontextmanager
    async def autocommit(self, *, within: float | None = None) -> AsyncIterator[AsyncSession]:
        with translated_outages():
            await self._points.around("connect", _nothing, _lost)
            async with super().autocommit(within=within) as session:
                yield cast("AsyncSession", _FailingSession(session, self._points))

    @asynccontextmanager
    async def lane(self, name: str) -> AsyncIterator[Runner]:
        with translated_outages():
            await self._points.around("connect", _nothing, _lost)
            async with super().lane(name) as runner:
                yield _FailingSession(runner, self._points)

    @asynccontextmanager
    async def transaction(self, *, within: float | None = None) -> AsyncIterator[AsyncSession]:
        with translated_outages():
            await self._points.around("connect", _nothing, _lost)
            # A session that ends before its commit rolls back.
            async with self._transactions() as session:
                transaction = await session.begin()
                yield cast("AsyncSession", _FailingSession(session, self._points))
                await self._points.around("commit", transaction.commit, _lost)


class _FailingSession:
    def __init__(self, session: AsyncSession | Runner, points: Failpoints) -> None:
        self._session = session
        self._points = points

    async def execute(self, statement: Any, parameters: Any = None, /) -> Any:
        name = " ".join(str(statement).split())[:40]
        return await self._points.around(name, lambda: self._session.execute(statement, parameters), _lost)


class FailingBroker(Broker):
    """Shares the connections of another one. Failpoints: each guarded call."""

    def __init__(self, real: Broker, points: Failpoints) -> None:
        self.__dict__.update(real.__dict__)
        self._points = points

    async def guarded(self, call: Awaitable[T], **limits: Any) -> T | None:
        real = super().guarded
        try:
            return await self._points.around("redis", lambda: real(call, **limits), lambda: None)
        finally:
            if asyncio.iscoroutine(call):
                call.close()


async def _nothing() -> None:
    """Connecting has no answer of its own here: the pool connects with the first statement."""


def _lost() -> Any:
    raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
