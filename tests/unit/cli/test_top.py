"""top: what it draws from what it found, what its keys do, and the terminal it leaves behind."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from service.cli.top.board import Board
from service.cli.top.frame import frame, shares, spark
from service.cli.top.keyboard import named
from service.cli.top.snapshot import Snapshot
from service.client import Queue, Stats, Task, Worker
from tests.support.fake_api import FakeApi
from tests.support.terminal import Terminal
from tests.unit.cli.conftest import Runner

CLI = [sys.executable, "-c", "from service.cli.main import main; main()"]
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
URL = "http://127.0.0.1:8000"


def task(number: int, **more: Any) -> Task:
    started = NOW - timedelta(seconds=60 * number + 5)
    given = {"id": f"0190-0000-{number:012}", "type": "resize", "queue": "ai_processing", "status": "PROCESSING"}
    return Task.model_validate({**given, "started_at": started, "finished_at": started, **more})


def seen(running: int = 3, workers: int = 2, failures: int = 1, **queue: Any) -> Snapshot:
    error = {"type": "ValueError", "message": "bad\x1b[2J input " * 30}
    one = {"name": "urgent", "waiting": 4, "running": running, "oldest_age": 75.0, "throughput": 2.5, **queue}
    worker = {"hostname": "box", "pid": 7, "state": "running", "concurrency": 20, "heartbeat_age": 0.4}
    return Snapshot(
        NOW,
        [Queue.model_validate(one), Queue(name="demo_tasks", paused=True)],
        [Worker.model_validate({**worker, "id": f"w{number}"}) for number in range(workers)],
        [task(n, progress={"percent": 10 * (running - n), "message": "half"}) for n in range(running)],
        [task(100 + n, status="FAILED", error=error) for n in range(failures)],
    )


def drawn(board: Board, width: int = 80, height: int = 24) -> list[str]:
    console = Console(width=width, height=height, color_system=None, force_terminal=False)
    with console.capture() as captured:
        console.print(frame(board, URL, width, height), height=height)
    return captured.get().splitlines()


def test_a_small_terminal_has_something_of_everything() -> None:
    lines = drawn(Board(seen(running=50, workers=9, failures=9)))
    assert len(lines) == 24
    assert max(map(len, lines)) <= 80
    heads = [line.split()[0] for line in lines if line.split() and line.split()[0].isupper()]
    assert heads == ["QUEUE", "WORKER", "RUNNING", "FAILED"]
    text = "\n".join(lines)
    assert "waiting 4   delayed 0   running 50 of 180 slots   workers 9" in text
    assert "RUNNING 4 of 50" in text
    assert "\x1b" not in text
    assert lines[-1].startswith("q quit")


def test_a_large_terminal_has_more_and_whole_ids() -> None:
    lines = drawn(Board(seen(running=20, workers=9)), 160, 60)
    assert len(lines) == 60
    assert sum("resize" in line for line in lines) == 21
    assert "0190-0000-000000000019" in "\n".join(lines)


def test_nothing_is_said_as_well() -> None:
    text = "\n".join(drawn(Board(Snapshot(NOW, [], [], [], []))))
    assert "none lives: taskrunner worker" in text
    assert "nothing runs" in text
    assert "nothing failed" in text
    assert "ended a second: not known" in text


def test_the_last_hour_is_told_as_soon_as_it_is_known() -> None:
    total = {"completed": 98, "failed": 2, "cancelled": 1, "success_share": 0.98}
    board = Board(seen(), Stats.model_validate({"window": 3600, "total": total}))
    assert "completed 98   failed 2   cancelled 1   98.0 % well" in "\n".join(drawn(board))


def test_what_is_old_is_marked_and_kept() -> None:
    board = Board(seen())
    board.age, board.trouble = 12.0, "cannot reach it"
    text = "\n".join(drawn(board))
    assert "old: no answer for 12 s: cannot reach it" in text
    assert "resize" in text
    board.trouble = None
    assert board.is_old, "an answer that only does not come is trouble, too"
    board.press("p")
    assert "paused 12 s ago" in "\n".join(drawn(board))


def test_s_takes_one_order_after_the_other() -> None:
    board = Board(seen(running=3))
    orders = {}
    for _ in range(4):
        orders[board.order] = [one.id[-1] for one in board.running]
        board.press("s")
    assert orders["newest"] == ["0", "1", "2"]
    assert orders["oldest"] == ["2", "1", "0"]
    assert orders["progress"] == ["0", "1", "2"]
    assert board.order == "newest"


def test_a_task_is_chosen_and_opened_and_stays_as_it_was_last_seen() -> None:
    board = Board(seen(running=2))
    for key in ("down", "down", "down", "down", "up"):
        board.press(key)
    assert board.task is not None
    assert board.task.id.endswith("1")
    board.press("enter")
    text = "\n".join(drawn(board))
    assert board.task.id in text
    assert "as it was last seen" not in text
    board.take(seen(running=1))
    assert "as it was last seen" in "\n".join(drawn(board))
    board.press("escape")
    assert not board.is_open


def test_the_chosen_task_is_always_in_sight() -> None:
    board = Board(seen(running=50))
    for _ in range(30):
        board.press("down")
    assert board.task is not None
    assert board.task.id[-12:] in "\n".join(drawn(board))


def test_enter_opens_the_first_where_none_is_chosen_and_nothing_where_there_is_none() -> None:
    board = Board(seen(running=2))
    board.press("enter")
    assert board.is_open
    empty = Board(Snapshot(NOW, [], [], [], []))
    for key in ("up", "down", "enter"):
        assert empty.press(key)
    assert not empty.is_open


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("\x1b[Aq", ["up", "q"]),
        ("\x1bOB\r", ["down", "enter"]),
        ("\x1b", ["escape"]),
        ("jk\x04", ["down", "up", "q"]),
        ("\x1b[3~p", ["\x1b[3~", "p"]),
    ],
)
def test_keys_have_names(text: str, keys: list[str]) -> None:
    assert named(text) == keys


@given(st.integers(-5, 60), st.lists(st.integers(0, 40), max_size=5))
def test_rows_are_dealt_out_evenly(room: int, wanted: list[int]) -> None:
    given = shares(room, wanted)
    assert sum(given) == min(max(0, room), sum(wanted))
    for has, wants in zip(given, wanted, strict=True):
        assert has <= wants
        assert has == wants or has >= max(given) - 1, "who goes short has as much as the others, but for one"


def test_the_sparkline_ends_with_the_newest_and_leaves_gaps() -> None:
    assert spark([0.0, 1.0, None, 2.0, 8.0], 4) == "▂ ▃█"
    assert spark([], 10) == spark([1.0], 0) == ""
    assert spark([0.0, 0.0], 9) == "▁▁"


def test_a_pipe_gets_one_look(api: FakeApi, run: Runner) -> None:
    api.steps["stuck"] = [{"status": "PROCESSING", "progress": {"percent": 40.0, "message": "half"}}]
    api.add({"type": "stuck"})
    run("get", "0190-0000")
    api.requests.clear()
    ran = run("top")
    assert (ran.code, ran.err) == (0, "")
    assert "40 % half" in ran.out
    assert "QUEUE" in ran.out
    assert "\x1b" not in ran.out
    assert len(api.requests) == 5
    assert run("top", "--once", "-o", "id").out == "0190-0000\n"


def test_a_program_gets_it_as_json(api: FakeApi, run: Runner) -> None:
    total = {"completed": 8, "failed": 1}
    api.answer("GET", "/api/v1/stats", 200, {"window": 3600.0, "total": total, "data": []})
    told = run("top", "-o", "json").json
    assert told["counters"] == {
        "waiting": 9, "delayed": 3, "running": 6, "slots": 20, "workers": 1, "is_lower_bound": False,
    }  # fmt: skip
    assert told["throughput"] == 124.5
    assert told["hour"]["total"] == total
    assert [queue["name"] for queue in told["queues"]] == ["urgent", "ai_processing", "demo_tasks"]
    assert (told["running"], told["failures"], told["workers"][0]["id"]) == ([], [], "w1")


def test_a_service_that_is_not_there_is_named_before_the_screen_is_taken(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKRUNNER_URL", "http://127.0.0.1:9")
    ran = run("top")
    assert (ran.code, ran.out) == (5, "")
    assert run("top", "--interval", "nan").code == 2


def test_a_person_sees_it_live_and_has_the_terminal_back(api: FakeApi) -> None:
    api.steps["stuck"] = [{"status": "PROCESSING", "started_at": "2026-01-02T03:04:05Z"}]
    api.add({"type": "stuck", "input": {"size": 12345}})
    api.look("0190-0000", to_the_end=True)
    with Terminal([*CLI, "top", "--interval", "0.2"], {**os.environ, "TASKRUNNER_URL": api.url}) as terminal:
        assert "\x1b[?1049h" in terminal.shows("stuck") + terminal.text
        api.queues["urgent"]["waiting"] = 77
        terminal.shows(" 77 ")
        terminal.press("s")
        terminal.shows("sort: oldest")
        terminal.press("\x1b[B\r")
        terminal.shows('{"size": 12345}')
        terminal.press("\x1b")
        terminal.shows("QUEUE")
        api.refuse("GET", "/api/v1/queues", 503, "store_unavailable", detail="Out for lunch.")
        assert " 77 " in terminal.shows("old: no answer for")
        assert "Out for lunch." in terminal.frame
        api._orders.clear()
        terminal.shows(lambda frame: "RUNNING" in frame and "old:" not in frame)
        terminal.resize(120, 40)
        terminal.shows(lambda frame: len(frame.splitlines()) == 40)
        terminal.press("q")
        assert terminal.wait() == 0
        assert terminal.is_as_before
    assert "\x1b[?1049l" in terminal.text


def test_a_pause_asks_nothing(api: FakeApi) -> None:
    with Terminal([*CLI, "top", "--interval", "0.2"], {**os.environ, "TASKRUNNER_URL": api.url}) as terminal:
        terminal.shows("QUEUE")
        terminal.press("p")
        terminal.shows("paused 1 s ago")
        asked = len(api.requests)
        terminal.shows("paused 3 s ago")
        assert len(api.requests) == asked
        terminal.press("p")
        terminal.shows(lambda frame: "QUEUE" in frame and "paused" not in frame)
        assert len(api.requests) > asked
        terminal.press("q")
        assert terminal.wait() == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_gives_the_terminal_back(api: FakeApi, number: signal.Signals, code: int) -> None:
    with Terminal([*CLI, "top"], {**os.environ, "TASKRUNNER_URL": api.url}) as terminal:
        terminal.shows("QUEUE")
        terminal.send(number)
        assert terminal.wait() == code
        assert terminal.is_as_before
    assert "\x1b[?1049l" in terminal.text
    assert "Traceback" not in terminal.text
