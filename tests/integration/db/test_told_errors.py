"""What an error of PostgreSQL or of its driver says in a log: the statement and what is wrong, and nothing of a row."""

from __future__ import annotations

import io

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from shared.domain.errors import TaskRunnerError
from shared.queue.stores import Stores
from shared.tracebacks import write_traceback

SECRET = "s3cr3t-of-a-row"
STATEMENTS = {
    "a row that breaks a rule": "INSERT INTO strict (id, word) VALUES ('', :word)",
    "a row that is there already": "INSERT INTO strict (id, word) VALUES (:word, ''), (:word, '')",
    "a value of another type": "SELECT CAST(:word AS integer)",
    "a text that is no number": "SELECT (:word || '')::integer",
    "a name that is nowhere": "SELECT nothing FROM strict WHERE word = :word",
}


STRICT = text("CREATE TEMP TABLE strict (id text PRIMARY KEY, word text CHECK (word = '')) ON COMMIT DROP")


async def error_of(stores: Stores, statement: str) -> BaseException:
    try:
        async with stores.db.transaction() as session:
            await session.execute(STRICT)
            await session.execute(text(statement), {"word": SECRET})
    except (SQLAlchemyError, TaskRunnerError) as error:
        return error
    raise AssertionError("it was taken")


@pytest.mark.parametrize("name", STATEMENTS)
async def test_an_error_tells_no_value(stores: Stores, name: str) -> None:
    error = await error_of(stores, STATEMENTS[name])
    out = io.StringIO()
    write_traceback(out, (type(error), error, error.__traceback__))
    assert "Error" in out.getvalue()
    assert SECRET not in out.getvalue()
