"""What is loaded when task types are discovered, and when the client is imported, each in a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.house.test_modules import HEAVY
from tests.house.tree import ROOT

SERVER = frozenset({"fastapi", "starlette", "uvicorn", "sqlalchemy", "asyncpg", "arq", "redis", "alembic"})


@pytest.mark.parametrize(
    ("program", "forbidden"),
    [
        ("from shared.registry import discover; assert len(discover()) >= 8", HEAVY),
        ("from service.app import create_app", HEAVY),
        ("import worker.runtime", HEAVY),
        ("from service.client import AsyncClient, Client; Client('http://127.0.0.1:1').close()", SERVER | HEAVY),
    ],
)
def test_what_is_not_needed_yet_is_not_loaded(program: str, forbidden: frozenset[str]) -> None:
    script = f"import sys; {program}; print(sorted({set(forbidden)!r} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
