"""The soak itself: its schedule is its seed's, growth is seen, and its short form runs to its end."""

from __future__ import annotations

import itertools
import json
import signal
from pathlib import Path

import pytest

from tests.soak.flatness import LEAST_SAMPLES, trend_of
from tests.soak.schedule import Fault, drawn
from tests.soak.striking import INFLICTED
from tests.support.processes import Processes, descendants_of, eventually_gone

SHORT_SECONDS = 45


def test_a_seed_gives_one_schedule() -> None:
    assert drawn(1, 600) == drawn(1, 600)
    assert drawn(1, 600) != drawn(2, 600)
    assert drawn(1, 300) == drawn(1, 600)[: len(drawn(1, 300))]


def test_ten_minutes_see_every_fault_several_times() -> None:
    struck = [strike.fault for strike in drawn(1, 600)]
    assert all(struck.count(fault) >= 3 for fault in Fault)
    assert set(INFLICTED) == set(Fault)


def test_a_soak_of_less_than_a_minute_has_faults_too() -> None:
    assert len(drawn(1, SHORT_SECONDS)) >= 4


@pytest.mark.parametrize(
    ("what", "per_sample", "is_flat"),
    [
        ("rss_mib", 0.0, True),
        ("rss_mib", 0.5, False),
        ("fds", 0.05, True),
        ("fds", 0.25, False),
        ("threads", 0.2, False),
    ],
)
def test_what_grows_is_told_from_what_is_noise(what: str, per_sample: float, is_flat: bool) -> None:
    noise = itertools.cycle((0.0, 1.0, -1.0, 5.0, 0.5))
    points = [(2.0 * n, 40 + per_sample * n + next(noise)) for n in range(60)]
    assert trend_of("it", what, points, warm_at=20.0).is_flat is is_flat


def test_a_few_samples_are_no_verdict() -> None:
    points = [(float(n), float(n)) for n in range(LEAST_SAMPLES - 1)]
    assert trend_of("it", "fds", points, warm_at=0.0).is_flat is None


@pytest.mark.chaos
@pytest.mark.timeout(300)
async def test_a_short_soak_loses_nothing_and_says_so(processes: Processes, tmp_path: Path) -> None:
    soak = processes.python(
        *("-m", "tests.soak", "--seconds", str(SHORT_SECONDS), "--seed", "1", "--folder", str(tmp_path))
    )
    assert await soak.wait(280) == 0, soak.output
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["violations"] == []
    assert sum(report["struck"].values()) >= 3
    assert report["tasks"]["COMPLETED"] > 100


@pytest.mark.chaos
async def test_an_interrupted_soak_leaves_no_process_behind(processes: Processes, tmp_path: Path) -> None:
    soak = processes.python("-m", "tests.soak", "--seconds", "60", "--folder", str(tmp_path))
    await soak.wait_for_line("submitted", timeout=90)
    left = descendants_of(soak.pid)
    assert len(left) > 5
    soak.send(signal.SIGINT)
    assert await soak.wait(40) == 130
    await eventually_gone(*left)
