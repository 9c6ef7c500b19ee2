"""Where PostgreSQL is, for those that connect beside the engine."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, make_url
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg

ENGINE_ONLY = ("prepared_statement_cache_size", "prepared_statement_name_func", "command_timeout")


def driver_arguments(url: str) -> dict[str, Any]:
    """An engine's URL as arguments of ``asyncpg.connect``, read as the engine reads it.

    ``ssl=`` and the like stand in the URL in SQLAlchemy's spelling.
    """
    dialect: Dialect = PGDialect_asyncpg()  # type: ignore[no-untyped-call] # SQLAlchemy's own gap
    _, arguments = dialect.create_connect_args(make_url(url))
    return {name: value for name, value in arguments.items() if name not in ENGINE_ONLY}
