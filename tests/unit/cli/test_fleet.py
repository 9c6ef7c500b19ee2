"""types and demo."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib

import pytest
from rich.console import Console

from service.cli import live, samples
from service.client import Task
from tests.support.fake_api import TYPES, FakeApi
from tests.unit.cli.conftest import Runner


def test_types_in_every_form(api: FakeApi, run: Runner) -> None:
    assert run("types", "-o", "id").out.split() == sorted(TYPES)
    assert "Does simple_calculation." in run("types").out


def test_the_demo_runs_one_task_of_each_type(api: FakeApi, run: Runner) -> None:
    ran = run("demo")
    assert ran.code == 0
    assert sorted(task["type"] for task in api.tasks.values()) == sorted(TYPES)
    assert {task["status"] for task in api.tasks.values()} == {"COMPLETED"}
    assert ran.out.count("COMPLETED") == len(TYPES)
    assert len(api.files) == 3
    assert "taskrunner list --tag demo" in ran.err


def test_the_demo_says_that_nobody_will_work(api: FakeApi, run: Runner) -> None:
    api.workers.clear()
    assert "no worker lives, so these will wait: start one with: taskrunner worker" in run("demo").err


@pytest.mark.parametrize("trouble", ["fails", "refused", "stuck"])
def test_the_demo_exits_1_if_any_does_not_complete(api: FakeApi, run: Runner, trouble: str) -> None:
    match trouble:
        case "fails":
            error = {"type": "Fatal", "message": "no mail server", "retryable": False}
            api.steps["send_notification_email"] = [{"status": "FAILED", "error": error}]
        case "stuck":
            api.steps["send_notification_email"] = [{"status": "PROCESSING"}]
        case "refused":
            api.refuse("POST", "/api/v1/tasks", 422, "validation_error", times=1)
    ran = run("demo", "--timeout", "5")
    assert ran.code == 1
    assert "taskrunner: " in ran.err
    assert ran.out.count("COMPLETED") == len(TYPES) - 1


def test_a_type_the_service_does_not_offer_is_left_out_and_said(api: FakeApi, run: Runner) -> None:
    api.answer("GET", "/api/v1/task-types", 200, {"data": [{"name": "simple_calculation"}]})
    ran = run("demo", "-o", "json")
    assert [task["type"] for task in ran.json] == ["simple_calculation"]
    assert "not offered by this service: data_processing" in ran.err


def test_the_samples_are_what_they_claim() -> None:
    image = samples.png()
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", image[16:24]) == (samples.WIDTH, samples.HEIGHT)
    start = image.index(b"IDAT") + 4
    (size,) = struct.unpack(">I", image[start - 8 : start - 4])
    assert len(zlib.decompress(image[start : start + size])) == samples.HEIGHT * (3 * samples.WIDTH + 1)
    assert zipfile.ZipFile(io.BytesIO(samples.archive())).testzip() is None


def test_a_person_sees_bars_with_percent_status_and_message(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=140, color_system=None)
    monkeypatch.setattr(live, "err", lambda: console)
    half = {"percent": 50, "message": "half\x1b[2J way"}
    with live.shown_live() as shown:
        shown("a", Task.model_validate({"id": "1", "type": "a", "status": "PROCESSING", "progress": half}))
        shown("b", Task.model_validate({"id": "2", "type": "b", "status": "FAILED"}))
        shown("c", Task.model_validate({"id": "3", "type": "c", "status": "COMPLETED"}))
    drawn = re.sub(r"\x1b\[(\?25[lh]|[\d;]*m|2K|1A)|\r", "", screen.getvalue())
    rows = {line.split()[0]: line for line in drawn.splitlines() if line.strip()}
    assert " 50 % PROCESSING" in rows["a"]
    assert "half�[2J way" in rows["a"]
    assert " 0 % FAILED" in rows["b"]
    assert "100 % COMPLETED" in rows["c"]
    assert "\x1b" not in drawn
