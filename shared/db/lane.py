"""A lane: one connection of the engine's pool, held in AUTOCOMMIT, for statements run so often that a session costs.

100 rows settle at 22.7 k/s through the driver, 18.1 k/s by Core and 14.9 k/s in a transaction: so the same
statements go to the same connections here, with nothing in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from typing import Any, Protocol, cast

import asyncpg
from sqlalchemy import TextClause
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

PLANNING = """
    SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
    SET enable_mergejoin = off
"""
"""Its statements find their rows by index and nested loop, whatever the statistics say: a table that grew by a million
rows a second ago has those of an empty one. And they are planned once: a plan took 0.4 ms, a claim of 50 tasks 0.6."""

DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]


class Row(Protocol):
    """One row by column names, or its values in the order of the columns; jsonb is decoded."""

    def __getitem__(self, column: str, /) -> Any: ...
    def values(self) -> Iterable[Any]: ...


class Rows(Protocol):
    """What a statement returned."""

    def mappings(self) -> Iterable[Row]: ...


class Runner(Protocol):
    """What runs a statement: a session, or a lane."""

    async def execute(self, statement: TextClause, parameters: Mapping[str, Any], /) -> Rows: ...


class Records(list[Row]):
    """Rows as the driver gives them."""

    def mappings(self) -> Records:
        return self


class Lane:
    """Connects when first used, and anew after a failure. One statement at a time: callers take turns."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turn = asyncio.Lock()
        self._held: AsyncConnection | None = None
        self._driver: asyncpg.Connection | None = None

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Runner]:
        """The lane to oneself. Raises what SQLAlchemy and asyncpg raise."""
        async with self._turn:
            try:
                if self._driver is None or self._driver.is_closed():
                    await self._connect()
                yield self
            except (asyncpg.DataError, ValueError):
                raise  # a value's fault, found by the server or by the driver; not the connection's
            except BaseException:
                # Whatever is still under way on it is nobody's now.
                await self._drop()
                raise

    async def execute(self, statement: TextClause, parameters: Mapping[str, Any], /) -> Rows:
        sql, names = compiled(statement)
        driver = cast("asyncpg.Connection", self._driver)
        return Records(await driver.fetch(sql, *[parameters[name] for name in names]))

    async def close(self) -> None:
        async with self._turn:
            if self._held is not None:
                await self._held.close()
            self._held = self._driver = None

    async def _connect(self) -> None:
        await self._drop()
        self._held = await self._engine.connect()
        raw = await self._held.get_raw_connection()
        # Kept at once: whoever is cancelled while it is being set up drops it.
        self._driver = driver = cast("asyncpg.Connection", raw.driver_connection)
        await driver.execute(PLANNING)

    async def _drop(self) -> None:
        held, driver, self._held, self._driver = self._held, self._driver, None, None
        if driver is not None:
            driver.terminate()  # at once: a server that hangs would not say good-bye
        if held is not None:
            with suppress(SQLAlchemyError, OSError):
                await held.invalidate()
                await held.close()


@lru_cache(maxsize=512)
def compiled(statement: TextClause) -> tuple[str, tuple[str, ...]]:
    """The driver's text of ``statement``, and the names of its parameters in the driver's order."""
    made = statement.compile(dialect=DIALECT)
    return str(made), tuple(made.positiontup or ())
