"""The one session layer: an asyncio engine and its sessions, used by the API and the worker alike.

Three ways in, over the same pool: ``autocommit`` for verbs that are one guarded statement (no BEGIN,
no COMMIT, one round trip), ``transaction`` where several statements stand or fall together, and a ``lane``
for the few statements that run thousands of times a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import asyncpg
import orjson
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from shared.db.breaker import Breaker, question
from shared.db.lane import Lane, Runner
from shared.domain.errors import StorageFull, StoreUnavailable, Unstorable
from shared.metrics import DATABASE_FAILURES

CONNECT_TIMEOUT = 5.0
COMMAND_TIMEOUT = 30.0
POOL_TIMEOUT = 5.0
CLOSE_TIMEOUT = 5.0
LONG_SECONDS = 25.0
"""For statements over thousands of rows, where the process is less patient otherwise."""

# Bounds for every session, so that no statement, lock or forgotten transaction lives for ever.
SERVER_SETTINGS = {
    "statement_timeout": "30000",
    "lock_timeout": "5000",
    "idle_in_transaction_session_timeout": "30000",
    "timezone": "UTC",
    # Our statements are short and prepared once: planning them in parallel or by JIT only costs.
    "jit": "off",
}


class Database:
    """An engine and its two session makers. Made once per process; ``close`` ends its pool.

    ``patience``: seconds that one use may wait for a connection and its statements together, behind a breaker;
    None: each wait has its own time-out, and there is no breaker.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int,
        overflow: int,
        recycle: int,
        application: str,
        patience: float | None = None,
    ) -> None:
        self.engine: AsyncEngine = create_async_engine(
            url,
            pool_size=pool_size,
            max_overflow=overflow,
            pool_recycle=recycle,
            pool_timeout=POOL_TIMEOUT,
            pool_use_lifo=True,
            hide_parameters=True,  # an error is logged with its statement, never with what was in it
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            connect_args={
                "timeout": CONNECT_TIMEOUT,
                "command_timeout": COMMAND_TIMEOUT,
                "server_settings": {**SERVER_SETTINGS, "application_name": application},
            },
        )
        event.listen(self.engine.sync_engine.pool, "invalidate", self._given_up)
        self._most = pool_size + overflow
        self._patience = patience
        self._breaker = Breaker(question(url)) if patience is not None else None
        self.lanes: dict[str, Lane] = {}
        """Each holds one connection of the pool, from its first statement on."""
        self._transactions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._statements = async_sessionmaker(
            self.engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False
        )

    @asynccontextmanager
    async def autocommit(self, *, within: float | None = None) -> AsyncIterator[AsyncSession]:
        """A session whose every statement commits by itself. Raises: StoreUnavailable."""
        async with self._use(within), self._statements() as session:
            yield session

    @asynccontextmanager
    async def transaction(self, *, within: float | None = None) -> AsyncIterator[AsyncSession]:
        """A session in one transaction: committed at the end, rolled back on any error. Raises: StoreUnavailable."""
        async with self._use(within), self._transactions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def lane(self, name: str) -> AsyncIterator[Runner]:
        """The lane ``name`` to oneself: its statements commit by themselves. Raises: StoreUnavailable, Unstorable."""
        lane = self.lanes.setdefault(name, Lane(self.engine))
        async with self._use(None), lane.turn() as runner:
            yield runner

    @asynccontextmanager
    async def _use(self, within: float | None) -> AsyncIterator[None]:
        with self._counted_failures(), translated_outages():
            if self._breaker is None or self._patience is None:
                yield
                return
            async with self._breaker.bounded(within or self._patience):
                yield

    @contextmanager
    def _counted_failures(self) -> Iterator[None]:
        try:
            yield
        except StorageFull:
            DATABASE_FAILURES.add("full")
            raise
        except StoreUnavailable:
            in_use, most = self.connections
            DATABASE_FAILURES.add("pool" if in_use >= most else "away")
            raise

    @property
    def connections(self) -> tuple[int, int]:
        """How many of the pool are in use, and how many it may open."""
        return int(getattr(self.engine.pool, "checkedout", lambda: 0)()), self._most

    def _given_up(self, connection: Any, _record: object, _error: object) -> None:
        """Cut a connection to a silent server, where SQLAlchemy would wait 2 s for its good-bye.

        One that answers is told first to stop the statement that nobody waits for.
        """
        if self._breaker is not None and self._breaker.is_open:
            connection.driver_connection.terminate()

    async def close(self) -> None:
        if self._breaker is not None:
            await self._breaker.close()
        # Good-byes to a server that has gone silent: what does not hear them ends with the process.
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT):
                for lane in self.lanes.values():
                    await lane.close()
                await self.engine.dispose()


BROKEN_DRIVER = (asyncpg.InternalClientError,)
"""asyncpg loses count of its own state where a connection is cut at the wrong moment: then it is of no use any more."""


@contextmanager
def translated_outages() -> Iterator[None]:
    """Turn every way PostgreSQL can be away into ``StoreUnavailable``, and what it cannot hold into ``Unstorable``."""
    try:
        yield
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, *BROKEN_DRIVER, OSError) as error:
        if is_refusal(error):
            raise Unstorable from error
        if is_full(error):
            raise StorageFull from error
        if is_outage(error):
            raise StoreUnavailable from error
        raise


OUTAGE_CLASSES = (
    *BROKEN_DRIVER,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InternalServerError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
    asyncpg.CannotConnectNowError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


def is_refusal(error: BaseException) -> bool:
    """Whether ``error`` says that a value cannot be stored: by PostgreSQL (class 22), or by the driver before it."""
    cause = _cause(error)
    return isinstance(cause, asyncpg.DataError) or (
        isinstance(cause, asyncpg.InterfaceError) and isinstance(cause, ValueError)
    )


def is_full(error: BaseException) -> bool:
    """Whether ``error`` says that a disk of PostgreSQL is full: it still answers reads."""
    return isinstance(_cause(error), asyncpg.DiskFullError)


def is_locked_out(error: BaseException) -> bool:
    """Whether ``error`` says that others held a lock for longer than a statement may wait."""
    return isinstance(_cause(error), asyncpg.LockNotAvailableError)


def _cause(error: BaseException) -> BaseException:
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def is_outage(error: BaseException) -> bool:
    """Whether ``error`` says that the database is away, not that a statement was wrong."""
    cause = _cause(error)
    if isinstance(error, DBAPIError):
        if error.connection_invalidated or isinstance(cause, OUTAGE_CLASSES):
            return True
        return isinstance(error, (OperationalError, InterfaceError)) and isinstance(cause, OSError)
    if isinstance(error, (PoolTimeoutError, TimeoutError)):
        return True
    return isinstance(error, (OSError, *OUTAGE_CLASSES))
