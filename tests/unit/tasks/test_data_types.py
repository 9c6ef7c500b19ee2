"""Columns of every type: their word in JSON, what they compare with, and errors that name operation and column."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from shared.testing import FakeRun
from tests.support import samples
from tests.support.tables import keep, process_file

EVERYTHING = pl.DataFrame(
    {
        "float": [float("nan"), float("inf"), 1.5],
        "date": [date(2026, 1, 2)] * 3,
        "naive": [datetime(2026, 1, 2, 3, 4, 5)] * 3,  # noqa: DTZ001 — Parquet has such columns
        "aware": [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)] * 3,
        "time": [time(3, 4, 5)] * 3,
        "duration": [timedelta(seconds=90)] * 3,
        "decimal": [Decimal("1.10")] * 3,
        "binary": [b"\x00\xff"] * 3,
        "list": [[1.0, float("nan")]] * 3,
        "struct": [{"a": "x\x00", "b": None}] * 3,
        "big": pl.Series([2**64 - 1] * 3, dtype=pl.UInt64),
        "nul": ["a\x00b"] * 3,
        "nothing": [None] * 3,
        "kind": pl.Series(["red", "blue", "red"], dtype=pl.Categorical),
    }
)


def test_every_type_has_its_word_in_json(run: FakeRun) -> None:
    rows = process_file(run, "all.parquet", samples.parquet_file(EVERYTHING)).rows
    assert [row["float"] for row in rows] == [None, None, 1.5]
    assert rows[0] == {
        "float": None,
        "date": "2026-01-02",
        "naive": "2026-01-02T03:04:05",
        "aware": "2026-01-02T03:04:05+00:00",
        "time": "03:04:05",
        "duration": 90.0,
        "decimal": "1.10",
        "binary": "AP8=",
        "list": [1.0, None],
        "struct": {"a": "x\ufffd", "b": None},
        "big": str(2**64 - 1),
        "nul": "a\ufffdb",
        "nothing": None,
        "kind": "red",
    }


@pytest.mark.parametrize(
    ("operation", "count"),
    [
        (keep("date", "==", "2026-01-02"), 3),
        (keep("naive", "<", "2026-01-02T03:04:06"), 3),
        (keep("aware", "<=", "2026-01-02T04:04:05+01:00"), 3),
        (keep("aware", "in", ["2026-01-02T03:04:05Z"]), 3),
        (keep("time", ">", "03:04:05"), 0),
        (keep("decimal", ">", 1), 3),
        (keep("big", ">", 0), 3),
        (keep("nothing", "==", 1), 0),
        (keep("nothing", "==", None), 3),
        (keep("kind", "contains", "re"), 2),
        (keep("float", "==", None), 1),
    ],
)
def test_every_type_compares_with_its_own_kind(run: FakeRun, operation: dict[str, Any], count: int) -> None:
    assert process_file(run, "all.parquet", samples.parquet_file(EVERYTHING), operation).row_count == count


@pytest.mark.parametrize(
    ("operation", "complaint"),
    [
        (keep("nope", "==", 1), r"operations\[1\] \(filter\): there is no column 'nope'; known: 'float', 'date'"),
        (keep("float", "==", "1"), r"column 'float' holds number values; '1' is a text"),
        (keep("float", ">", True), r"holds number values; True is a boolean"),
        (keep("kind", "==", 1), r"holds text values; 1 is a number"),
        (keep("kind", "in", ["a", 1]), r"holds text values; 1 is a number"),
        (keep("float", "contains", "1"), "contains looks in text"),
        (keep("date", "==", "soon"), "'soon' is not one in ISO 8601"),
        (keep("aware", "==", "2026-01-02T03:04:05"), "needs UTC offset"),
        (keep("naive", "==", "2026-01-02T03:04:05Z"), "takes no UTC offset"),
        (keep("list", "==", 1), "cannot be compared"),
        ({"op": "select", "columns": ["date", "nope"]}, "no column 'nope'"),
        ({"op": "select", "columns": ["date", "date"]}, "named twice"),
        ({"op": "sort", "by": "nope"}, r"operations\[1\] \(sort\): there is no column"),
        ({"op": "group_by", "by": ["nope"], "aggregate": {"date": "min"}}, "no column 'nope'"),
        ({"op": "group_by", "by": ["date"], "aggregate": {"nope": "min"}}, "no column 'nope'"),
        ({"op": "group_by", "by": ["date"], "aggregate": {"kind": "mean"}}, "mean needs numbers; column 'kind'"),
        ({"op": "group_by", "by": ["date"], "aggregate": {"list": "max"}}, "needs values with an order"),
        ({"op": "group_by", "by": ["date"], "aggregate": {"float": ["sum", "sum"]}}, "same name"),
    ],
)
def test_what_does_not_fit_is_a_value_error_naming_operation_and_column(
    run: FakeRun, operation: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        process_file(run, "all.parquet", samples.parquet_file(EVERYTHING), {"op": "limit", "n": 2}, operation)
