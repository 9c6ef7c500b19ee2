"""Counters and histograms as Prometheus reads them."""

from __future__ import annotations

import asyncio
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared import metrics
from shared.control_group import Memory
from shared.metrics import LoopLag, Spread, Tally


def samples(page: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(page.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_a_tally_counts_by_label() -> None:
    tally = Tally("apples", "Apples.", "kind")
    tally.add("red")
    tally.add("red", by=2)
    tally.add('gr"een\n')
    found = samples(metrics.page([tally.read()]))
    assert found["taskrunner_apples_total", (("kind", "red"),)] == 3
    assert found["taskrunner_apples_total", (("kind", 'gr"een\n'),)] == 1


def test_a_spread_counts_each_value_below_every_larger_bound() -> None:
    spread = Spread("walks", "Walks.", "who")
    for seconds in (0.0, 0.005, 0.006, 2.0, 10_000.0):
        spread.add(seconds, "me")
    found = samples(metrics.page([spread.read()]))

    def below(bound: str) -> float:
        return found["taskrunner_walks_bucket", (("le", bound), ("who", "me"))]

    assert [below(bound) for bound in ("0.005", "0.01", "1.0", "2.5", "900.0", "+Inf")] == [2, 3, 3, 4, 4, 5]
    assert found["taskrunner_walks_count", (("who", "me"),)] == 5
    assert found["taskrunner_walks_sum", (("who", "me"),)] == pytest.approx(10_002.011)


def test_every_process_tells_what_it_is() -> None:
    found = {name for name, _ in samples(metrics.page())}
    assert {"taskrunner_build_info", "taskrunner_event_loop_lag_seconds", "process_resident_memory_bytes"} <= found


def test_what_has_no_labels_is_there_before_it_happens() -> None:
    assert samples(metrics.page([Tally("quakes", "Quakes.").read()]))["taskrunner_quakes_total", ()] == 0


def test_what_is_expected_is_there_before_it_happens_and_is_not_counted_twice() -> None:
    tally = Tally("pears", "Pears.", "kind")
    tally.expect("green")
    tally.add("green")
    tally.expect("green")
    found = samples(metrics.page([tally.read()]))
    assert {value for (name, _), value in found.items() if name == "taskrunner_pears_total"} == {1}


def test_memory_is_told_where_it_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "memory", lambda: Memory(used=300, limit=512))
    found = samples(metrics.page())
    assert (found["taskrunner_memory_used_bytes", ()], found["taskrunner_memory_limit_bytes", ()]) == (300, 512)
    monkeypatch.setattr(metrics, "memory", lambda: None)
    assert not any("memory_limit" in name for name, _ in samples(metrics.page()))


async def test_a_loop_that_stood_still_is_seen_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "LAG_SECONDS", 0.01)
    lag = LoopLag()
    watching = asyncio.create_task(lag.watch())
    await asyncio.sleep(0)
    time.sleep(0.2)  # noqa: ASYNC251 - the very thing that is measured
    async with asyncio.timeout(10):
        while lag.worst < 0.15:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    watching.cancel()
    assert lag.take() >= 0.15
    assert lag.take() == 0.0
