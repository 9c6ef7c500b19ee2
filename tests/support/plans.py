"""Which way PostgreSQL would go for a statement: what a function would execute, and the plan of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import orjson
from sqlalchemy import TextClause, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncConnection


class Recorded:
    """Stands in for a session: keeps what a statement function would execute, and answers nothing."""

    def __init__(self) -> None:
        self.statement: TextClause = text("")
        self.parameters: dict[str, Any] = {}

    async def execute(self, statement: TextClause, parameters: dict[str, Any] | None = None) -> Recorded:
        self.statement, self.parameters = statement, parameters or {}
        return self

    def mappings(self) -> Recorded:
        return self

    scalars = mappings

    def first(self) -> None:
        return None

    def __iter__(self) -> Iterator[Any]:
        return iter(())


def is_ours(node: dict[str, Any]) -> bool:
    return str(node.get("Index Name")).startswith(("tasks_", "attempts_", "audit_log_"))


async def plan_of(connection: AsyncConnection, recorded: Recorded, mode: str) -> dict[str, Any]:
    """The plan PostgreSQL takes for the statement once prepared."""
    compiled = recorded.statement.compile(dialect=dialect())  # type: ignore[no-untyped-call]
    values = [literal(recorded.parameters[key]) for key in compiled.positiontup or ()]
    await connection.exec_driver_sql(f"SET plan_cache_mode = {mode}")
    await connection.exec_driver_sql(f"PREPARE tried AS {compiled.string}")
    try:
        arguments = f"({', '.join(values)})" if values else ""
        shown = await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) EXECUTE tried{arguments}")
        found = shown.scalar_one()
    finally:
        await connection.exec_driver_sql("DEALLOCATE tried")
    plans = orjson.loads(found) if isinstance(found, str) else found
    return cast("dict[str, Any]", plans[0]["Plan"])


def literal(value: Any) -> str:
    """A value as SQL; arrays in PostgreSQL's own notation."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        texts = (part.hex() if isinstance(part, bytes) else part for part in value)
        parts = ("NULL" if part is None else '"' + str(part).replace('"', '\\"') + '"' for part in texts)
        return "'{" + ",".join(parts) + "}'"
    return "'" + str(value).replace("'", "''") + "'"


def walk(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from walk(child)
