"""Completion, as shells ask for it: by variables of the environment, and by a bash that has read the script.

zsh and fish are asked for here as their scripts would ask; no zsh and no fish takes part.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer._completion_classes import completion_init

from service.cli import known
from service.cli.completion import VARIABLE
from tests.support.fake_api import FakeApi
from tests.unit.cli.conftest import Runner

Complete = Callable[[str], list[str]]


@pytest.fixture
def complete(run: Runner, monkeypatch: pytest.MonkeyPatch) -> Complete:
    """The words for the end of a line that somebody types."""
    completion_init()
    monkeypatch.setattr(known, "PATIENCE", 10.0)  # a busy machine is no absent service

    def words(line: str) -> list[str]:
        with monkeypatch.context() as asked:
            typed = ["taskrunner", *line.split(" ")]
            asked.setenv(VARIABLE, "complete_bash")
            asked.setenv("COMP_WORDS", "\n".join(typed))
            asked.setenv("COMP_CWORD", str(len(typed) - 1))
            ran = run()
        assert (ran.code, ran.err) == (0, "")
        return ran.out.split()

    return words


def test_commands_and_options_are_completed(complete: Complete) -> None:
    assert complete("que") == ["queues"]
    assert set(complete("queues p")) == {"pause", "purge"}
    assert complete("list --out") == ["--output"]
    assert complete("get x -o j") == ["json"]
    assert complete("completion z") == ["zsh"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("submit simple_", ["simple_calculation"]),
        ("submit x --queue ur", ["urgent"]),
        ("list --type text", ["text_generation"]),
        ("list --status fa", ["failed"]),
        ("delete --status C", ["COMPLETED", "CANCELLED"]),
        ("queues pause demo", ["demo_tasks"]),
        ("workers drain ", ["w1"]),
        ("schedules run night", ["nightly"]),
    ],
)
def test_names_the_service_knows_are_completed(
    api: FakeApi, run: Runner, complete: Complete, line: str, words: list[str]
) -> None:
    run("schedules", "create", "nightly", "simple_calculation", "--every", "60")
    assert complete(line) == words


def test_ids_are_those_the_command_is_for(api: FakeApi, complete: Complete) -> None:
    for _ in range(3):
        api.add({"type": "x"})
    api.tasks["0190-0000"]["status"] = "FAILED"
    api.tasks["0190-0001"]["status"] = "COMPLETED"
    assert complete("get 0190") == ["0190-0002", "0190-0001", "0190-0000"]
    assert complete("cancel ") == ["0190-0002"]
    assert complete("retry ") == ["0190-0000"]
    assert complete("delete ") == ["0190-0001", "0190-0000"]


def test_what_a_shell_would_read_as_more_than_a_word_is_not_offered(api: FakeApi, complete: Complete) -> None:
    names = ["ok-1", "a b", "$(touch x)", "`id`", "-rf", "a;b", "a'b", "\\$(id)", "ü", "*", "a:b"]
    api.answer("GET", "/api/v1/task-types", 200, {"data": [{"name": name, "queue": "$(id) q"} for name in names]})
    assert complete("submit ") == ["ok-1"]
    assert known.task_types() == [("ok-1", "id q")]


@pytest.mark.parametrize(
    ("instruction", "variables", "expected"),
    [
        ("complete_zsh", {"_TYPER_COMPLETE_ARGS": "taskrunner submit simple_"}, '"simple_calculation":"demo_tasks"'),
        (
            "complete_fish",
            {"_TYPER_COMPLETE_ARGS": "taskrunner submit simple_", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
            "simple_calculation\tdemo_tasks",
        ),
    ],
)
def test_other_shells_see_more_beside_the_word(
    api: FakeApi,
    run: Runner,
    monkeypatch: pytest.MonkeyPatch,
    instruction: str,
    variables: dict[str, str],
    expected: str,
) -> None:
    completion_init()
    for name, value in {VARIABLE: instruction, **variables}.items():
        monkeypatch.setenv(name, value)
    assert expected in run().out


def test_a_service_that_is_away_or_silent_is_not_waited_for(
    complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known, "PATIENCE", 0.5)
    monkeypatch.setenv("TASKRUNNER_URL", "http://127.0.0.1:9")
    assert complete("submit ") == []
    monkeypatch.setenv("TASKRUNNER_URL", "no address")
    assert complete("submit ") == []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("TASKRUNNER_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        waits: list[float | None] = []
        monkeypatch.setattr(threading.Thread, "join", lambda _, timeout=None: waits.append(timeout))
        assert complete("submit ") == []
    assert waits == [known.PATIENCE]


def test_a_refusal_is_silent(api: FakeApi, complete: Complete) -> None:
    api.refuse("GET", "/api/v1/task-types", 401, "unauthorized")
    assert complete("submit ") == []


@pytest.fixture
def bash(tmp_path: Path) -> Callable[[str], str]:
    """A bash with ``taskrunner`` on its path that has read the script; what it prints."""
    program = tmp_path / "taskrunner"
    start = "from service.cli.main import main; main()"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{start}" "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    def answer(script: str) -> str:
        told = f"set -eu\nsource <(taskrunner completion bash)\n{script}"
        done = subprocess.run(
            ["bash", "--norc", "-c", told], env=env, capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stderr == ""
        return done.stdout

    return answer


ANSWER = """answer() {
    COMP_WORDS=(taskrunner "$@")
    COMP_CWORD=$#
    _taskrunner_completion taskrunner
    echo "${COMPREPLY[*]}"
}
"""


def test_bash_completes_with_the_script(api: FakeApi, bash: Callable[[str], str]) -> None:
    said = bash(f"complete -p taskrunner\n{ANSWER}\nanswer workf\n").splitlines()
    assert said == ["complete -o default -F _taskrunner_completion taskrunner", "workflows"]
    eventually_says(bash, f"{ANSWER}\nanswer submit gen\n", "generate_report\n")


def eventually_says(bash: Callable[[str], str], script: str, expected: str) -> None:
    """On a busy machine an answer may come too late to be offered."""
    deadline = time.monotonic() + 30
    while bash(script) != expected:
        assert time.monotonic() < deadline, f"not within 30 s: {expected}"


@pytest.mark.parametrize(("shell", "mark"), [("zsh", "#compdef taskrunner"), ("fish", "complete --command taskrunner")])
def test_other_shells_have_a_script(run: Runner, shell: str, mark: str) -> None:
    ran = run("completion", shell)
    assert (ran.code, ran.err) == (0, "")
    assert mark in ran.out
    assert VARIABLE in ran.out


def test_an_unknown_shell_is_wrong_usage(run: Runner) -> None:
    assert run("completion", "csh").code == 2
