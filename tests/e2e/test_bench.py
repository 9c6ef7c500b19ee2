"""``make bench`` and ``make bench-peers`` run to their end. What they measure is nobody's test: people compare it."""

from __future__ import annotations

import re

import pytest

from tests.support.processes import Processes

TINY = (
    *("--rounds", "1", "--seconds", "0.2", "--connections", "4"),
    *("--concurrency", "10", "--drain", "200", "--pick-ups", "5"),
)
COMPARED = (
    "POST → 201",
    "POST → 201, p50",
    "POST → 201, p99",
    "POST → 201, CPU of the server",
    "batch submit (1,000 a body)",
    "drain of no-op tasks",
    "idle pick-up: INSERT begun → claimed, p50",
    "idle pick-up: INSERT begun → claimed, p99",
    "idle pick-up: INSERT begun → handler entered, p50",
    "idle pick-up: INSERT begun → handler entered, p99",
    "GET, final task",
    "GET, final task, p50",
    "GET, final task, p99",
    "GET, final task, CPU of the server",
)
ALONE = (
    "drain of no-op tasks, CPU of the worker",
    "idle worker, resident memory",
    "event: handler → reader of the stream, p50",
    "event: handler → reader of the stream, p99",
    "POST → 201 while a worker runs",
    "POST → 201 while a worker runs, p99",
    "POST → 201 while a worker runs, finished",
)
NUMBER = r"[\d,.]+"


async def test_the_bench_prints_every_figure_with_its_yardstick(processes: Processes) -> None:
    bench = processes.python("-m", "benchmarks", *TINY)
    assert await bench.wait(90) == 0, bench.output
    rows = [re.split(r" *\| *", line.strip("| ")) for line in bench.lines if line.startswith("| ")]
    found = {name: numbers for name, *numbers in rows}
    assert {name for name in found if name != "figure"} == {*COMPARED, *ALONE}
    for name in COMPARED:
        assert all(re.fullmatch(NUMBER, number) for number in found[name][:3]), found[name]
    for name in ALONE:
        assert re.fullmatch(NUMBER, found[name][0]), found[name]
        assert found[name][1:3] == ["–", "–"]


@pytest.mark.timeout(240)  # eight processes one after the other, which a busy machine starts slowly
async def test_ours_stands_beside_no_other_where_none_is_named(processes: Processes) -> None:
    """Others need environments from a package index, which no test may ask."""
    few = ("--quick", "--share", "0.01", "--only", "ours", "--parts", "peers")
    compared = processes.python("-m", "benchmarks.compare", *few)
    assert await compared.wait(220) == 0, compared.output
    assert "FAILED" not in compared.output
    (row,) = (line for line in compared.lines if line.startswith("| ours |") and "this tree" not in line)
    figures = [cell.strip() for cell in row.strip("| ").split("|")[1:]]
    assert len(figures) == 8
    assert all(re.fullmatch(NUMBER, figure) for figure in figures), row
