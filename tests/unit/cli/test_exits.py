"""Exit codes and the one line that explains them; and that no command drags the server in."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from service.cli.main import _with_only, app
from tests.support.fake_api import FakeApi
from tests.unit.cli.conftest import Runner

CLI = [sys.executable, "-c", "from service.cli.main import main; main()"]
SERVER_LIBRARIES = {"fastapi", "starlette", "uvicorn", "sqlalchemy", "asyncpg", "arq", "redis"}


@pytest.mark.parametrize(
    ("status", "code", "exit_code", "line"),
    [
        (401, "unauthorized", 4, "A key is needed. Put a valid key into TASKRUNNER_API_KEY."),
        (403, "forbidden", 4, "A key is needed. Use a key with the scope it takes."),
        (403, "anonymous_not_allowed", 4, "A key is needed. Use a loopback address, or a key in TASKRUNNER_API_KEY."),
        (404, "not_found", 3, "A key is needed."),
        (409, "conflict", 1, "A key is needed."),
        (413, "payload_too_large", 2, "A key is needed."),
        (503, "store_unavailable", 5, "A key is needed. Try again soon."),
        (429, "rate_limited", 5, "A key is needed. Try again soon."),
    ],
)
@pytest.mark.parametrize("form", ["table", "json"])
def test_each_refusal_is_one_line_and_an_exit_code(
    api: FakeApi, run: Runner, status: int, code: str, exit_code: int, line: str, form: str
) -> None:
    api.refuse("GET", "/api/v1/tasks/x", status, code, detail="A key is needed.")
    ran = run("get", "x", "-o", form)
    assert (ran.code, ran.out, ran.err) == (exit_code, "", f"taskrunner: {line}\n")


def test_a_validation_problem_lists_its_pointers(api: FakeApi, run: Runner) -> None:
    errors = [{"pointer": "/input/a", "detail": "Field required"}, {"pointer": "", "detail": "Odd"}]
    api.refuse("POST", "/api/v1/tasks", 422, "validation_error", title="Not valid", detail="/input/a: …", errors=errors)
    ran = run("submit", "x")
    assert ran.code == 2
    assert ran.err.splitlines() == ["taskrunner: Not valid", "  /input/a: Field required", "  /: Odd"]


def test_a_fault_of_the_service_names_the_request(api: FakeApi, run: Runner) -> None:
    api.refuse("GET", "/api/v1/tasks/x", 500, "internal_error", detail="Broken.")
    ran = run("get", "x")
    assert ran.code == 1
    assert ran.err.splitlines() == ["taskrunner: Broken.", "  the service's log tells more: request req-1"]


@pytest.mark.parametrize(
    ("command", "method", "path", "shown_by"),
    [
        ("get x", "GET", "/api/v1/tasks/x", "taskrunner list"),
        ("queues pause x", "POST", "/api/v1/queues/x/pause", "taskrunner queues"),
        ("workers drain x", "POST", "/api/v1/workers/x/drain", "taskrunner workers"),
        ("workflows get x", "GET", "/api/v1/workflows/x", "taskrunner workflows"),
        ("operations get x", "GET", "/api/v1/operations/x", "taskrunner operations"),
        ("webhooks replay x", "POST", "/api/v1/deliveries/x/replay", "taskrunner webhooks"),
        ("keys revoke x", "DELETE", "/api/v1/keys/x", "taskrunner keys list"),
    ],
    ids=["task", "queue", "worker", "workflow", "operation", "webhook", "key"],
)
def test_what_is_not_there_is_told_with_what_lists_the_others(
    command: str, method: str, path: str, shown_by: str, api: FakeApi, run: Runner
) -> None:
    api.refuse(method, path, 404, "not_found", detail="Nothing here.", instance=path)
    ran = run(*command.split())
    assert (ran.code, ran.err) == (3, f"taskrunner: Nothing here. See what there is: {shown_by}\n")


def test_an_absent_service_exits_5_and_says_how_to_start_it(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNNER_URL", "http://127.0.0.1:9")
    ran = run("list")
    assert ran.code == 5
    advice = "is it running? make up starts it here; TASKRUNNER_URL says where it is"
    assert ran.err == f"taskrunner: cannot reach http://127.0.0.1:9: {advice}\n"


def test_another_server_at_the_address_exits_5(api: FakeApi, run: Runner) -> None:
    api.answer("GET", "/api/v1/tasks", 200, b"<html>")
    ran = run("list")
    assert ran.code == 5
    assert "is this address a task runner?" in ran.err


def test_a_wrong_address_exits_2(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNNER_URL", "localhost:8000")
    assert run("list").code == 2


@pytest.mark.parametrize("arguments", [["nope"], ["get"], ["list", "--limit", "0"]])
def test_an_unknown_command_or_option_exits_2(run: Runner, arguments: list[str]) -> None:
    assert run(*arguments).code == 2


@pytest.mark.parametrize("command", [["watch", "0190-0000"], ["demo"]])
def test_ctrl_c_exits_130_without_a_word(api: FakeApi, command: list[str]) -> None:
    api.steps["unreliable_task"] = [{"status": "PROCESSING"}]
    api.add({"type": "unreliable_task"})
    child = subprocess.Popen([*CLI, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 30
    while not api.seen("GET", "/api/v1/tasks/.*") and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    assert child.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert "Aborted" not in err


@pytest.mark.parametrize("command", ["--help", "get x", "list", "doctor", "demo", "top --once", "completion zsh"])
def test_client_commands_load_no_server_library(api: FakeApi, command: str) -> None:
    script = (
        "import atexit, sys\n"
        "from service.cli.main import main\n"
        f"atexit.register(lambda: print('LOADED', *({SERVER_LIBRARIES} & sys.modules.keys())))\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command.split()], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_help_loads_neither_httpx_nor_the_models() -> None:
    script = (
        "import sys, service.cli.main\n"
        "print('LOADED', *({'httpx', 'asyncio', 'service.client.models'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize("forced", ["0", "1"])
def test_no_color_is_honoured(api: FakeApi, forced: str) -> None:
    api.add({"type": "simple_calculation"})
    env = {**os.environ, "TASKRUNNER_URL": api.url, "FORCE_COLOR": "1", "NO_COLOR": "1" if forced == "1" else ""}
    done = subprocess.run([*CLI, "get", "0190-0000"], capture_output=True, text=True, timeout=60, env=env, check=True)
    assert ("\x1b[36m" in done.stdout) == (forced == "0")


def test_a_command_that_is_called_is_described_alone_and_else_all_of_them() -> None:
    alone = _with_only(["queues"])
    assert ([group.name for group in alone.registered_groups], alone.registered_commands) == (["queues"], [])
    assert len(_with_only(["list"]).registered_commands) == 1
    assert all(_with_only(called) is app for called in ([], ["--help"], ["nope"]))


def test_the_version_is_one_line(run: Runner) -> None:
    ran = run("--version")
    assert (ran.code, ran.out.count("\n"), ran.err) == (0, 1, "")
