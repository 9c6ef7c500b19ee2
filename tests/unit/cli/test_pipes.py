"""Outputs that take no more, inputs that are no text: a line or nothing, never a traceback."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.core import TyperGroup

from service.cli.main import app
from tests.support.fake_api import FakeApi
from tests.support.processes import ROOT
from tests.unit.cli.conftest import Runner

CLI = [sys.executable, "-c", "from service.cli.main import main; main()"]


def taskrunner(*arguments: str | bytes, **options: Any) -> subprocess.CompletedProcess[bytes]:
    given: dict[str, Any] = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, **options}
    return subprocess.run([*CLI, *arguments], timeout=60, check=False, **given)


@pytest.mark.parametrize("form", ["table", "json", "id"])
def test_a_reader_that_leaves_is_no_news(api: FakeApi, form: str) -> None:
    api.add({"type": "x"})
    reader, writer = os.pipe()
    os.close(reader)
    done = taskrunner("list", "-o", form, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_output_without_room_is_one_line(api: FakeApi, tmp_path: Path) -> None:
    api.add({"type": "x"})
    limited = ["bash", "-c", 'ulimit -f 0; exec "$@" > full', "bash", *CLI, "list", "-o", "json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(limited, cwd=tmp_path, env=env, stderr=subprocess.PIPE, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (1, b"taskrunner: the output cannot be written: File too large\n")


def test_an_input_that_is_no_text_is_one_line(api: FakeApi) -> None:
    done = taskrunner("submit", "x", "-", input=b'{"a": "\xff"}', env={**os.environ, "PYTHONUTF8": "1"})
    assert (done.returncode, done.stderr) == (2, b"taskrunner: standard input is no UTF-8 text\n")
    done = taskrunner("get", b"\xff")
    assert (done.returncode, done.stderr) == (2, b"taskrunner: an argument is no UTF-8 text\n")
    assert api.requests == []


def test_a_terminal_that_writes_ascii_alone_gets_all_it_can(api: FakeApi) -> None:
    api.steps["x"] = [{"status": "COMPLETED", "result": {"text": "Grüße 你好"}}]
    api.add({"type": "x"})
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = taskrunner("get", "0190-0000", "-o", "json", env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"Gr\u00fc\u00dfe" in done.stdout
    done = taskrunner("get", "0190-0000", env=env)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_file_that_cannot_be_read_is_one_line(
    api: FakeApi, run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").touch()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    ran = run("submit", "x", "-i", f"file_id=@{tmp_path}/secret")
    assert (ran.code, ran.err) == (2, f"taskrunner: @{tmp_path}/secret: Permission denied\n")


def test_an_answer_that_is_garbled_is_one_line(api: FakeApi, run: Runner) -> None:
    api.answer("GET", "/api/v1/queues", 200, b"no gzip at all", {"Content-Encoding": "gzip"})
    ran = run("queues")
    assert ran.code == 5
    assert "cannot be decoded" in ran.err


@pytest.mark.parametrize("url", ["http://[::1", "http://a b", "http://\x00", "ftp://x", "http://xn--:80"])
def test_an_odd_address_is_one_line(run: Runner, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    # An environment takes no NUL.
    monkeypatch.setenv("TASKRUNNER_URL", url.replace("\x00", "\x01"))
    ran = run("queues")
    assert ran.code in {2, 5}
    assert re.fullmatch(r"taskrunner: .*\n", ran.err)


def test_every_command_argument_and_option_says_what_it_is() -> None:
    silent = []

    def visit(command: Any, path: str) -> None:
        silent.extend([] if command.help else [path])
        silent.extend(f"{path} {one.name}" for one in command.params if one.name != "help" and not one.help)
        if isinstance(command, TyperGroup):
            for name, inner in command.commands.items():
                visit(inner, f"{path} {name}")

    visit(typer.main.get_command(app), "taskrunner")
    assert silent == []
