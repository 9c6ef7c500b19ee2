"""submit, get, list, watch, cancel and retry, as a shell sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fake_api import FakeApi
from tests.unit.cli.conftest import Runner

TASKS = "/api/v1/tasks"
FAILED = {"status": "FAILED", "error": {"type": "ValueError", "message": "bad\x1b[31m\ninput", "retryable": False}}


def test_submit_reads_each_value_as_json_and_else_as_text(api: FakeApi, run: Runner) -> None:
    ran = run(
        "submit", "x", "-i", "a=1", "-i", "b=hello", "-i", "c=[1, null]", "-i", 'd="2"', "-i", "e=NaN", "-i", "f="
    )
    assert ran.code == 0
    assert api.requests[-1].json == {
        "type": "x",
        "input": {"a": 1, "b": "hello", "c": [1, None], "d": "2", "e": "NaN", "f": ""},
    }


def test_submit_passes_every_option(api: FakeApi, run: Runner) -> None:
    options = "--queue urgent --priority 0 --delay 2 --tag a --tag b --timeout 9 --max-attempts 2 --idempotency-key k"
    options += " --run-at 2030-01-01T00:00:00Z --expires-at 2030-01-02T00:00:00Z --metadata n=1 --metadata who=me"
    options += " --callback-url https://example.org/hook --concurrency-key c"
    assert run("submit", "x", "--json", '{"a": 1}', *options.split()).code == 0
    assert api.requests[-1].headers["idempotency-key"] == "k"
    assert api.requests[-1].json == {
        "type": "x", "input": {"a": 1}, "queue": "urgent", "priority": 0, "delay": 2.0, "tags": ["a", "b"],
        "timeout": 9.0, "max_attempts": 2, "run_at": "2030-01-01T00:00:00Z", "expires_at": "2030-01-02T00:00:00Z",
        "metadata": {"n": 1, "who": "me"}, "callback_url": "https://example.org/hook", "concurrency_key": "c",
    }  # fmt: skip


def test_submit_reads_standard_input_and_single_fields_win(api: FakeApi, run: Runner) -> None:
    assert run("submit", "x", "-", "-i", "b=3", stdin='{"a": 1, "b": 2}').code == 0
    assert api.requests[-1].json["input"] == {"a": 1, "b": 3}


def test_a_file_is_uploaded_first_and_its_id_used(api: FakeApi, run: Runner, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a,b\n1,2\n")
    ran = run("submit", "data_processing", "-i", f"file_id=@{tmp_path}/data.csv", "-i", 'note="@bob"', "-o", "id")
    assert ran.out == "0190-0000\n"
    assert "uploaded data.csv" in ran.err
    assert api.requests[-1].json["input"] == {"file_id": "f0", "note": "@bob"}
    assert api.files["f0"][1] == b"a,b\n1,2\n"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-i", "a"], "write name=value"),
        (["-i", "=1"], "write name=value"),
        (["-i", "f=@/no/such/file"], "no such file"),
        (["--json", "{"], "no JSON"),
        (["--json", ""], "no JSON"),
        (["--json", "[1]"], "must be a JSON object"),
        (["--json", '{"a": NaN}'], "no JSON"),
        (["--json", "{}", "-"], "not both"),
        (["--json", "[" * 200_000], "no JSON"),
        (["--metadata", "n"], "write name=value"),
        (["--delay", "nan"], "--delay"),
        (["--timeout", "inf"], "no number of seconds"),
        (["-i", "a=1e999"], "cannot be sent"),
        (["--json", '{"a": "\\ud800"}'], "cannot be sent"),
        (["--idempotency-key", "é"], "cannot be sent"),
        (["\udcff"], "no UTF-8"),
        (["{}"], "as - for standard input"),
        (["--priority", "10"], "--priority"),
        (["-o", "yaml"], "yaml"),
    ],
)
def test_wrong_usage_exits_2_and_asks_the_service_nothing(
    api: FakeApi, run: Runner, arguments: list[str], told: str
) -> None:
    ran = run("submit", "x", *arguments)
    assert (ran.code, ran.out, api.requests) == (2, "", [])
    assert told in ran.err


def test_submit_and_wait_shows_the_way_on_stderr_and_the_task_on_stdout(api: FakeApi, run: Runner) -> None:
    ran = run("submit", "simple_calculation", "-i", "a=1", "--wait", "-o", "json")
    assert ran.code == 0
    assert ran.json["result"] == {"operation": "add", "result": 42}
    lines = [line.split(maxsplit=1)[1] for line in ran.err.splitlines()]
    assert lines == ["PENDING", "PROCESSING", "PROCESSING 50 % half", "COMPLETED"]


def test_waiting_for_a_task_that_fails_exits_1(api: FakeApi, run: Runner) -> None:
    api.steps["bad"] = [FAILED]
    ran = run("submit", "bad", "--wait")
    assert ran.code == 1
    assert "ValueError: bad�[31m input" in ran.out
    assert "\x1b" not in ran.out + ran.err


@pytest.mark.parametrize(
    "command", [["submit", "stuck", "--wait-timeout", "0.3"], ["watch", "0190-0000", "--timeout", "0"]]
)
def test_giving_up_exits_124_and_says_how_to_go_on(api: FakeApi, run: Runner, command: list[str]) -> None:
    api.steps["stuck"] = [{"status": "PROCESSING"}]
    api.add({"type": "stuck"})
    ran = run(*command)
    assert (ran.code, ran.out) == (124, "")
    assert "still PROCESSING" in ran.err
    assert "taskrunner watch 0190-" in ran.err


def test_get_shows_what_there_is(api: FakeApi, run: Runner) -> None:
    api.add({"type": "simple_calculation", "input": {"a": 1}, "tags": ["x", "y"]})
    ran = run("get", "0190-0000")
    assert ran.code == 0
    facts = dict(line.split(maxsplit=1) for line in ran.out.splitlines())
    assert facts["status"].strip() == "PROCESSING"
    assert facts["progress"].strip() == "50 % half"
    assert facts["tags"].strip() == "x, y"
    assert facts["input"].strip() == '{"a": 1}'


def test_the_runs_of_a_task_are_listed(api: FakeApi, run: Runner) -> None:
    api.add({"type": "x"})
    error = {"type": "ValueError", "message": "bad", "retryable": True}
    runs = [{"attempt": 1, "generation": 2, "outcome": "retried", "error": error}, {"attempt": 2, "outcome": "running"}]
    api.answer("GET", f"{TASKS}/0190-0000/attempts", 200, {"data": runs})
    ran = run("attempts", "0190-0000")
    assert ran.code == 0
    assert "1, generation 2" in ran.out
    assert "ValueError: bad" in ran.out
    assert [one["outcome"] for one in run("attempts", "0190-0000", "-o", "json").json] == ["retried", "running"]
    api.answer("GET", f"{TASKS}/none/attempts", 200, {"data": []})
    assert "it has not run yet" in run("attempts", "none").err


def test_a_text_of_a_user_cannot_steer_the_terminal_or_be_markup(api: FakeApi, run: Runner) -> None:
    api.steps["x"] = [{"status": "COMPLETED", "result": "[red]hi[/red]\x1b]0;owned\x07\x9b2J"}]
    api.add({"type": "x"})
    ran = run("get", "0190-0000")
    assert "[red]hi[/red]�]0;owned��2J" in ran.out
    assert not any(c in ran.out for c in "\x1b\x07\x9b")


def test_a_text_keeps_what_its_language_is_written_with(api: FakeApi, run: Runner) -> None:
    said = "\u4f60\u597d\u3000\u4e16\u754c, \u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645, 12\u202f%\u00a0!"
    api.steps["x"] = [{"status": "COMPLETED", "result": f"{said} \u202eturned\u200b"}]
    api.add({"type": "x"})
    assert f"{said} �turned�" in run("get", "0190-0000").out


def test_a_task_says_when_it_is_due_when_it_ended_and_what_was_kept_with_it(api: FakeApi, run: Runner) -> None:
    ended = "2030-01-31T12:00:09Z"
    api.steps["later"] = [{"status": "SCHEDULED", "run_at": "2030-01-31T12:00:00Z"}]
    more = {"worker": "w-1", "metadata": {"customer": "c-17"}, "generation": 2, "attempt": 1}
    api.steps["done"] = [{"status": "COMPLETED", "run_at": ended, "finished_at": ended, **more}]
    api.add({"type": "later"})
    api.add({"type": "done"})
    facts = dict(line.split(maxsplit=1) for line in run("get", "0190-0000").out.splitlines())
    assert facts["due"].strip() == "2030-01-31 12:00:00Z"
    assert {"ended", "worker", "metadata"} & set(facts) == set()
    facts = dict(line.split(maxsplit=1) for line in run("get", "0190-0001").out.splitlines())
    assert "due" not in facts
    assert [facts[name].strip() for name in ("attempt", "ended", "worker", "metadata")] == [
        *("1 of 4, generation 2", "2030-01-31 12:00:09Z", "w-1"),
        '{"customer": "c-17"}',
    ]


@pytest.mark.parametrize(("form", "expected"), [("id", "0190-0000\n"), ("json", '"id": "0190-0000"')])
def test_other_forms_of_one_task(api: FakeApi, run: Runner, form: str, expected: str) -> None:
    api.add({"type": "x"})
    assert expected in run("get", "0190-0000", "-o", form).out


def test_list_filters_pages_and_keeps_ids_whole(api: FakeApi, run: Runner) -> None:
    for number in range(5):
        api.add({"type": "x" if number else "y"})
    ran = run("list", "--type", "x", "--status", "pending", "--limit", "3", "-o", "id")
    assert ran.out.split() == ["0190-0004", "0190-0003", "0190-0002"]
    assert api.requests[-1].query == {"limit": ["3"], "status": ["PENDING"], "type": ["x"]}
    assert len(run("list", "-o", "json").json) == 5
    table = run("list").out.splitlines()
    assert table[0].split()[:4] == ["ID", "TYPE", "QUEUE", "STATUS"]
    assert len(table) == 6


def test_an_empty_list_is_said_on_stderr(api: FakeApi, run: Runner) -> None:
    assert "no such tasks" in run("list").err
    assert run("list", "-o", "json").json == []


def test_watch_follows_to_the_end(api: FakeApi, run: Runner) -> None:
    api.add({"type": "simple_calculation"})
    ran = run("watch", "0190-0000", "-o", "id")
    assert (ran.code, ran.out) == (0, "0190-0000\n")
    assert "COMPLETED" in ran.err


def test_cancel_and_retry_and_the_conflict_that_exits_1(api: FakeApi, run: Runner) -> None:
    api.add({"type": "x"})
    assert run("cancel", "0190-0000", "-o", "json").json["status"] == "CANCELLED"
    again = run("cancel", "0190-0000")
    assert (again.code, again.out, again.err) == (1, "", "taskrunner: The task is CANCELLED.\n")
    assert run("retry", "0190-0000", "-o", "json").json["generation"] == 2


def test_a_running_task_is_asked_to_stop(api: FakeApi, run: Runner) -> None:
    api.add({"type": "x"})
    run("get", "0190-0000")
    ran = run("cancel", "0190-0000")
    assert ran.code == 0
    assert "PROCESSING cancel requested" in ran.out


@pytest.mark.parametrize("width", ["10", "60", "80"])
def test_a_narrow_terminal_breaks_no_word_of_a_table(
    api: FakeApi, run: Runner, monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    api.add({"type": "a_rather_long_name_of_a_type", "queue": "ai_processing"})
    heads, row = run("list").out.splitlines()
    assert heads.split() == ["ID", "TYPE", "QUEUE", "STATUS", "PROGRESS", "CREATED", "SECONDS"]
    assert row.split()[:4] == ["0190-0000", "a_rather_long_name_of_a_type", "ai_processing", "PENDING"]


def test_in_a_narrow_terminal_the_last_column_is_folded(
    api: FakeApi, run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    api.add({"type": "x"})
    said = "word " * 40
    runs = [{"attempt": 1, "outcome": "failed", "error": {"type": "E", "message": said, "retryable": False}}]
    api.answer("GET", f"{TASKS}/0190-0000/attempts", 200, {"data": runs})
    lines = run("attempts", "0190-0000").out.splitlines()
    assert max(map(len, lines)) <= 72
    assert " ".join(lines).split().count("word") == 40
