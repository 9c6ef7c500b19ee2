"""Commands that need the database, where there is none: one line that says why, and what to look at."""

from __future__ import annotations

import pytest

from shared.embedded.ports import LOOPBACK, free_port
from tests.unit.cli.conftest import Runner


@pytest.mark.parametrize("command", [("migrate",), ("keys", "list", "--database")], ids=["migrate", "keys"])
def test_a_database_that_is_away_is_a_line_with_the_reason(
    command: tuple[str, ...], run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("DATABASE_URL", f"postgresql+asyncpg://somebody:secret@{LOOPBACK}:{port}/nothing")
    ran = run(*command)
    assert (ran.code, ran.out) == (5, "")
    [line] = ran.err.splitlines()
    assert line.startswith("taskrunner: The database cannot be reached: ")
    assert f"'{LOOPBACK}', {port}" in line
    assert line.endswith(" Is DATABASE_URL right, and PostgreSQL up?")
    assert "secret" not in line
