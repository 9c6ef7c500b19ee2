"""watch, and submit --wait: what a task says, as it comes, and where it stands beside it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from service.cli.spoken import Spoken
from tests.support.fake_api import FakeApi
from tests.unit.cli.conftest import Runner

PATH = "/api/v1/tasks/0190-0000/events"
SAID = ["One line\nand ", "a long one " * 8, "\x1b[31mred\x9b2J\u202e\ttab\u3000"]


def frame(number: int, event: str, data: dict[str, Any]) -> bytes:
    return f"id: 1-2-{number}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode()


def status(number: int, name: str, attempt: int = 1) -> bytes:
    return frame(number, "status", {"status": name, "attempt": attempt, "generation": 1, "at": "2026-01-02T03:04:05Z"})


def told(api: FakeApi, *frames: bytes, **end: Any) -> None:
    """The next stream is these, and the end of the task."""
    task = {**api.look(api.add({"type": "recite"})["id"], to_the_end=True), **end}
    api.answer("GET", PATH, 200, b"".join([*frames, frame(99, "end", task)]))


def test_what_a_task_says_is_its_output_piece_by_piece(api: FakeApi, run: Runner) -> None:
    told(api, status(0, "PROCESSING"), *(frame(n, "output", {"delta": piece}) for n, piece in enumerate(SAID, 1)))
    ran = run("watch", "0190-0000")
    assert ran.code == 0
    assert ran.out == "One line\nand " + "a long one " * 8 + "�[31mred�2J�\ttab\u3000\n"
    assert "COMPLETED in 0.25 s: taskrunner get 0190-0000" in ran.err
    assert not any(c in ran.out + ran.err for c in "\x1b\x9b\u202e")


def test_each_state_is_told_once_in_its_order(api: FakeApi, run: Runner) -> None:
    told(api, status(0, "PENDING", 0), status(1, "PROCESSING"))
    ran = run("watch", "0190-0000")
    assert [line.split()[1] for line in ran.err.splitlines()][:3] == ["PENDING", "PROCESSING", "COMPLETED"]


def test_progress_does_not_break_into_what_is_said(api: FakeApi, run: Runner) -> None:
    half = {"percent": 50, "message": "half", "updated_at": "2026-01-02T03:04:05Z"}
    pieces = frame(1, "output", {"delta": "one "}), frame(2, "progress", half), frame(3, "output", {"delta": "two"})
    told(api, status(0, "PROCESSING"), frame(0, "progress", {**half, "percent": 10}), *pieces)
    ran = run("watch", "0190-0000")
    assert ran.out == "one two\n"
    assert "10 % half" in ran.err
    assert "50 %" not in ran.err


def test_a_form_for_programs_keeps_stdout_for_the_task(api: FakeApi, run: Runner) -> None:
    told(api, frame(1, "output", {"delta": "words"}))
    ran = run("watch", "0190-0000", "-o", "id")
    assert (ran.code, ran.out) == (0, "0190-0000\n")
    assert "words\n" in ran.err


def test_another_attempt_begins_a_line_of_its_own(api: FakeApi, run: Runner) -> None:
    first, second = frame(1, "output", {"delta": "half a"}), frame(4, "output", {"delta": "all of it"})
    told(api, status(0, "PROCESSING"), first, status(2, "RETRYING"), status(3, "PROCESSING", 2), second)
    ran = run("watch", "0190-0000")
    assert ran.out == "half a\nall of it\n"
    assert "RETRYING" in ran.err


def test_what_was_lost_is_said(api: FakeApi, run: Runner) -> None:
    told(
        api, frame(1, "output", {"delta": "one "}), frame(2, "gap", {"missing": 3}), frame(3, "output", {"delta": "9"})
    )
    ran = run("watch", "0190-0000")
    assert ran.out == "one \n9\n"
    assert "some of what it said was lost" in ran.err


def test_a_task_that_speaks_and_fails_says_why_and_exits_1(api: FakeApi, run: Runner) -> None:
    error = {"type": "ValueError", "message": "lost the thread", "retryable": False}
    told(api, frame(1, "output", {"delta": "so"}), status="FAILED", error=error, result=None)
    ran = run("watch", "0190-0000")
    assert (ran.code, ran.out) == (1, "so\n")
    assert "taskrunner: ValueError: lost the thread\nFAILED" in ran.err


def test_a_task_that_says_nothing_is_shown(api: FakeApi, run: Runner) -> None:
    api.add({"type": "simple_calculation"})
    ran = run("watch", "0190-0000")
    assert ran.code == 0
    assert '{"operation": "add", "result": 42}' in ran.out


def test_events_are_json_one_on_a_line(api: FakeApi, run: Runner) -> None:
    told(api, status(0, "PROCESSING"), frame(1, "output", {"delta": "«a\nb»"}))
    ran = run("watch", "0190-0000", "-o", "json")
    events = [json.loads(line) for line in ran.out.splitlines()]
    assert [event["event"] for event in events] == ["status", "output", "end"]
    assert events[1] == {"id": "1-2-1", "event": "output", "data": {"delta": "«a\nb»"}}
    assert events[2]["data"]["result"] is None
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize(("arguments", "code"), [(["0190-9999"], 3), (["0190-0000", "--timeout", "0.2"], 124)])
def test_json_ends_as_the_other_forms_do(api: FakeApi, run: Runner, arguments: list[str], code: int) -> None:
    api.steps["stuck"] = [{"status": "PROCESSING"}]
    api.add({"type": "stuck"})
    ran = run("watch", *arguments, "-o", "json")
    assert ran.code == code
    assert ran.err.startswith("taskrunner: ")


def test_each_piece_is_out_before_the_next_one_comes() -> None:
    written: list[str] = []

    class Pipe:
        def write(self, text: str) -> None:
            written.append(text)

        def flush(self) -> None:
            written.append("|")

    said = Spoken(Pipe())  # type: ignore[arg-type]
    said.hear("a")
    said.hear("b")
    said.end_line()
    said.end_line()
    assert "".join(written) == "a|b|\n|"
