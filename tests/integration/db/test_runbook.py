"""The statements of the runbook run: they name tables and columns that exist, and change nothing."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from shared.queue.stores import Stores
from tests.house.pages import page

STATEMENTS = [
    statement.strip()
    for block in page("docs/runbook.md").blocks
    if block.language == "sql"
    for statement in block.text.split(";")
    if statement.strip()
]


@pytest.mark.parametrize("statement", STATEMENTS, ids=range(len(STATEMENTS)))
async def test_a_statement_of_the_runbook_runs(statement: str, stores: Stores) -> None:
    async with stores.db.transaction() as session:
        await session.execute(text("SET TRANSACTION READ ONLY"))
        (await session.execute(text(statement))).all()  # raises where it returns no rows


def test_there_are_statements() -> None:
    assert len(STATEMENTS) > 10
