"""The command line run in this process, against a fake service."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from service.cli.main import main
from tests.support.fake_api import FakeApi


@dataclass(frozen=True)
class Ran:
    """What a command wrote, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Runner = Callable[..., Ran]


class Person(io.StringIO):
    """A standard input that is a terminal, and what is typed there."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    with FakeApi() as fake:
        monkeypatch.setenv("TASKRUNNER_URL", fake.url)
        monkeypatch.delenv("TASKRUNNER_API_KEY", raising=False)
        yield fake


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Runner:
    """Run ``taskrunner`` with these arguments; ``stdin`` is what it reads, from a person where one ``types`` it."""

    monkeypatch.delenv("COLUMNS", raising=False)  # whoever runs the tests may have a narrow terminal

    def run(*arguments: str, stdin: str = "", types: str | None = None) -> Ran:
        monkeypatch.setattr(sys, "argv", ["taskrunner", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin) if types is None else Person(types))
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        wrote = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Ran(ended.value.code, wrote.out, wrote.err)

    return run
