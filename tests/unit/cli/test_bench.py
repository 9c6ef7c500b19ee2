"""When ``bench`` would measure nothing, it says so and submits nothing."""

from __future__ import annotations

import pytest

from tests.support.fake_api import FakeApi
from tests.unit.cli.conftest import Runner


def test_without_a_worker_nothing_is_submitted(api: FakeApi, run: Runner) -> None:
    api.workers.clear()
    ran = run("bench")
    assert ran.code == 1
    assert ran.err.strip().endswith("start one with: taskrunner worker")
    assert not api.tasks


def test_a_worker_that_drains_or_lacks_the_type_is_none(api: FakeApi, run: Runner) -> None:
    api.workers[0]["types"] = ["text_generation"]
    ran = run("bench")
    assert (ran.code, "no living worker takes simple_calculation" in ran.err) == (1, True)
    api.workers[0]["state"] = "draining"
    assert "no worker lives" in run("bench").err
    assert not api.tasks


def test_a_service_that_is_not_there_is_named(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNNER_URL", "http://127.0.0.1:9")
    ran = run("bench")
    assert (ran.code, "is it running?" in ran.err) == (5, True)
