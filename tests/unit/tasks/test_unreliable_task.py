"""The unreliable task: it fails exactly as asked."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from shared.tasks.unreliable_task import UnreliableInput, UnreliableOutput, unreliable_task
from shared.testing import FakeRun


async def attempt(run: FakeRun, number: int, **given: Any) -> UnreliableOutput:
    run.attempt = number
    result = await unreliable_task(run.awaited, UnreliableInput.model_validate(given))
    assert isinstance(result, UnreliableOutput)
    return result


async def test_the_first_attempts_fail_and_the_next_succeeds(run: FakeRun) -> None:
    for number in (1, 2):
        with pytest.raises(ConnectionError, match=f"Attempt {number}"):
            await attempt(run, number, fail_times=2)
    assert (await attempt(run, 3, fail_times=2)).attempts == 3


@pytest.mark.parametrize(
    ("error", "raised"), [("connection", ConnectionError), ("value", ValueError), ("other", RuntimeError)]
)
async def test_the_error_is_the_one_asked_for(run: FakeRun, error: str, raised: type[Exception]) -> None:
    with pytest.raises(raised) as caught:
        await attempt(run, 1, fail_times=1, error=error)
    assert type(caught.value) is raised


async def test_a_failure_rate_of_one_always_fails_and_of_zero_never(run: FakeRun) -> None:
    for number in range(1, 6):
        with pytest.raises(ConnectionError):
            await attempt(run, number, failure_rate=1)
        assert (await attempt(run, number, failure_rate=0)).attempts == number


async def test_work_takes_its_time_and_tells_its_progress(run: FakeRun) -> None:
    clock = asyncio.get_running_loop()
    started = clock.time()
    await attempt(run, 1, duration=0.3)
    assert clock.time() - started >= 0.29
    percents = [percent for percent, _ in run.progressed]
    assert percents == sorted(percents)
    assert len(percents) == pytest.approx(3, abs=1)
    assert max(percents) < 100


async def test_a_cancel_ends_the_work_at_once(run: FakeRun) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(attempt(run, 1, duration=3_600), 0.05)
    assert run.progressed == [(0.0, "0.0 of 3600 s")]


@pytest.mark.parametrize(
    "given",
    [
        {"fail_times": -1},
        {"fail_times": 1.5},
        {"failure_rate": 1.1},
        {"failure_rate": float("nan")},
        {"duration": 3_601},
        {"duration": -1},
        {"error": "disk"},
    ],
)
def test_input_out_of_bounds_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UnreliableInput.model_validate(given)
