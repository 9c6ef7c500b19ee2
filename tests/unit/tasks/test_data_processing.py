"""Tables: every format and operation, errors that name their operation, and answers that are always JSON."""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.exceptions import PanicException
from pydantic import ValidationError

import shared.tasks.tables.reading
from shared.domain.errors import Fatal, FileMissing
from shared.domain.ids import new_id
from shared.domain.run import StoredFile
from shared.tasks.data_processing import DataInput, DataOutput, data_processing
from shared.tasks.numbers import INT64_MAX
from shared.testing import FakeRun
from tests.support import samples

SALES = [
    {"city": "Oslo", "price": 12, "open": True},
    {"city": "Rome", "price": 9, "open": False},
    {"city": "Oslo", "price": 20, "open": True},
    {"city": "Bern", "price": None, "open": None},
]


def process(run: FakeRun, *operations: dict[str, Any], **source: Any) -> DataOutput:
    result = data_processing(run, DataInput.model_validate({"operations": list(operations), **source}))
    assert isinstance(result, DataOutput)
    json.dumps(result.model_dump(mode="json"), allow_nan=False)
    assert result.row_count == len(result.rows)
    return result


def process_file(run: FakeRun, name: str, content: bytes, *operations: dict[str, Any]) -> DataOutput:
    return process(run, *operations, file_id=str(run.files.put(name, content).id))


def keep(column: str, cmp: str, value: Any) -> dict[str, Any]:
    return {"op": "filter", "column": column, "cmp": cmp, "value": value}


FORMATS = {
    "sales.csv": samples.csv_file,
    "sales.json": samples.json_file,
    "sales.ndjson": samples.ndjson_file,
    "SALES.JSONL": samples.ndjson_file,
    "sales.parquet": lambda rows: samples.parquet_file(pl.DataFrame(rows)),
    "sales.tsv": lambda rows: pl.DataFrame(rows).write_csv(separator="\t").encode(),
}


@pytest.mark.parametrize(("name", "make"), FORMATS.items(), ids=FORMATS)
def test_every_format_reads_back_as_it_was(run: FakeRun, name: str, make: Any) -> None:
    result = process_file(run, name, make(SALES))
    assert result == DataOutput(columns=["city", "price", "open"], row_count=4, rows=SALES)


@pytest.mark.parametrize("media_type", ["text/csv", "text/csv; charset=utf-8"])
def test_without_a_suffix_the_media_type_decides(run: FakeRun, media_type: str) -> None:
    stored = run.files.put("upload", b"a\n1\n", media_type)
    assert process(run, file_id=str(stored.id)).rows == [{"a": 1}]


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (keep("price", ">", 10), [12, 20]),
        (keep("price", ">=", 12.0), [12, 20]),
        (keep("price", "<", 12.5), [12, 9]),
        (keep("price", "==", 9), [9]),
        (keep("price", "!=", 9), [12, 20]),
        (keep("price", "in", [9, 20.0, 99]), [9, 20]),
        (keep("price", "in", []), []),
        (keep("price", "==", None), [None]),
        (keep("price", "!=", None), [12, 9, 20]),
        (keep("price", "<", INT64_MAX), [12, 9, 20]),
        (keep("city", "==", "Oslo"), [12, 20]),
        (keep("city", "<", "Oslo"), [None]),
        (keep("city", "in", ["Rome", "Bern"]), [9, None]),
        (keep("city", "contains", "s"), [12, 20]),
        (keep("city", "contains", "."), []),
        (keep("open", "==", True), [12, 20]),
        (keep("open", "in", [False]), [9]),
        ({"op": "sort", "by": "price"}, [9, 12, 20, None]),
        ({"op": "sort", "by": ["city", "price"], "descending": True}, [9, 20, 12, None]),
        ({"op": "limit", "n": 1}, [12]),
        ({"op": "limit", "n": 0}, []),
    ],
)
def test_rows_are_kept_and_ordered_as_asked(run: FakeRun, operation: dict[str, Any], expected: list[Any]) -> None:
    assert [row["price"] for row in process(run, operation, rows=SALES).rows] == expected


def test_select_orders_the_columns(run: FakeRun) -> None:
    result = process(run, {"op": "select", "columns": ["price", "city"]}, {"op": "limit", "n": 1}, rows=SALES)
    assert result.columns == ["price", "city"]
    assert list(result.rows[0]) == ["price", "city"]


def test_groups_come_in_order_of_appearance_with_every_function(run: FakeRun) -> None:
    functions = ["sum", "mean", "min", "max", "count", "median", "std"]
    grouped = {"op": "group_by", "by": ["city"], "aggregate": {"price": functions, "open": "count"}}
    result = process(run, grouped, rows=SALES)
    assert result.columns == ["city", *(f"price_{name}" for name in functions), "open_count"]
    assert [row["city"] for row in result.rows] == ["Oslo", "Rome", "Bern"]
    oslo = result.rows[0]
    assert [oslo[f"price_{name}"] for name in functions] == [32, 16.0, 12, 20, 2, 16.0, pytest.approx(5.65685, 1e-5)]
    assert (result.rows[2]["price_mean"], result.rows[2]["price_count"]) == (None, 0)


def test_booleans_sum_as_their_count(run: FakeRun) -> None:
    grouped = {"op": "group_by", "by": ["city"], "aggregate": {"open": ["sum", "mean"]}}
    assert process(run, grouped, rows=SALES).rows[0] == {"city": "Oslo", "open_sum": 2, "open_mean": 1.0}


def test_a_sum_never_wraps_round(run: FakeRun) -> None:
    rows = [{"k": 1, "v": INT64_MAX}, {"k": 1, "v": INT64_MAX}]
    result = process(run, {"op": "group_by", "by": ["k"], "aggregate": {"v": "sum"}}, rows=rows)
    assert result.rows == [{"k": 1, "v_sum": str(2 * INT64_MAX)}]


def test_describe_tells_the_statistics_of_every_column(run: FakeRun) -> None:
    result = process(run, {"op": "describe"}, rows=SALES)
    assert result.columns == ["statistic", "city", "price", "open"]
    told = {row["statistic"]: row["price"] for row in result.rows}
    assert (told["count"], told["null_count"], told["min"], told["max"]) == (3, 1, 9, 20)
    assert told["mean"] == pytest.approx(41 / 3)


def test_operations_follow_one_another_and_are_reported(run: FakeRun) -> None:
    operations = [
        keep("price", ">", 0),
        {"op": "group_by", "by": ["city"], "aggregate": {"price": "sum"}},
        {"op": "sort", "by": "price_sum", "descending": True},
    ]
    assert process(run, *operations, rows=SALES).rows == [
        {"city": "Oslo", "price_sum": 32},
        {"city": "Rome", "price_sum": 9},
    ]
    percents, messages = zip(*run.progressed, strict=True)
    assert list(percents) == sorted(percents)
    assert "group_by (2 of 3)" in messages


def test_rows_may_lack_keys_and_be_none_at_all(run: FakeRun) -> None:
    assert process(run, rows=[{"a": 1}, {"b": "x"}]).rows == [{"a": 1, "b": None}, {"a": None, "b": "x"}]
    assert process(run, rows=[]) == DataOutput(columns=[], row_count=0, rows=[])


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


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", b""),
        ("a.csv", b"a,b\n1,2,3\n"),
        ("a.csv", b"a,b\n\xff\xfe,1\n"),
        ("a.json", b"[{"),
        ("a.json", b'{"a": 1}'),
        ("a.json", b"[1, 2]"),
        ("a.json", b'[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]"),
        ("a.json", b'[{"a":' + b"[" * 600 + b"]" * 600 + b"}]"),
        ("a.json", b'[{"a": {"b": 1}}, {"a": 2}]'),
        ("a.ndjson", b'{"a": 1}\nno\n'),
        ("a.ndjson", b""),
    ],
)
def test_a_broken_file_is_a_value_error(run: FakeRun, name: str, content: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        process_file(run, name, content)


PARQUET = samples.parquet_file(pl.DataFrame({"a": [1, 2, 3]}))

REFUSED: dict[str, tuple[str, Any]] = {
    "no table": ("a.png", lambda: b"\x89PNG"),
    "a compressed CSV": ("a.csv", lambda: gzip.compress(b"a\n" * 9)),
    "a compressed NDJSON": ("a.ndjson", lambda: zlib.compress(b'{"a":1}\n' * 9)),
    "a header of 2,000 names": ("a.csv", lambda: ",".join(f"c{n}" for n in range(2_000)).encode()),
    "a new key in every row": ("a.json", lambda: samples.json_file([{f"k{n}": 1} for n in range(1_500)])),
    "a new key in every nested row": (
        "a.ndjson",
        lambda: samples.ndjson_file([{"a": {f"k{n}": 1}} for n in range(1_500)]),
    ),
    "short lines under a long header": (
        "a.csv",
        lambda: (",".join(f"c{n}" for n in range(900)) + "\n").encode() + b"1\n" * 40_000,
    ),
    "JSON above its limit": ("a.json", lambda: b"[" + b" " * (16 * 1_048_576) + b"]"),
    "a Parquet of 33 million equal values": (
        "a.parquet",
        lambda: samples.parquet_file(pl.DataFrame({"a": pl.repeat(0, 33_000_000, dtype=pl.Int8, eager=True)})),
    ),
    "a Parquet of one long list": (
        "a.parquet",
        lambda: samples.parquet_file(pl.select(a=pl.lit(pl.zeros(33_000_000, pl.Int8, eager=True)).implode())),
    ),
    "a Parquet cut short": ("a.parquet", lambda: PARQUET[:-20]),
    "a Parquet with a footer of noise": (
        "a.parquet",
        lambda: b"PAR1" + b"\x7f" * 90 + (90).to_bytes(4, "little") + b"PAR1",
    ),
    "a text called Parquet": ("a.parquet", lambda: b"hello, world, this is text"),
    "an answer of many rows": ("a.csv", lambda: b"a\n" + b"1\n" * 200_000),
    "an answer of long rows": ("a.json", lambda: samples.json_file([{"a": "x" * 50_000}] * 30)),
}


@pytest.mark.parametrize(("name", "make"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_or_too_large_is_fatal(run: FakeRun, name: str, make: Any) -> None:
    with pytest.raises(Fatal):
        process_file(run, name, make())


def test_a_large_file_with_a_small_answer_is_fine(run: FakeRun) -> None:
    content = b"a,b\n" + b"1,x\n" * 200_000
    result = process_file(run, "a.csv", content, {"op": "group_by", "by": ["b"], "aggregate": {"a": "sum"}})
    assert result.rows == [{"b": "x", "a_sum": 200_000}]


@given(data=st.data())
@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_damaged_parquet_footer_is_an_answer_a_value_error_or_fatal(run: FakeRun, data: st.DataObject) -> None:
    content = bytearray(PARQUET)
    length = int.from_bytes(PARQUET[-8:-4], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        content[-8 - data.draw(st.integers(1, length))] = data.draw(st.integers(0, 255))
    try:
        process_file(run, "a.parquet", bytes(content))
    except (Fatal, ValueError):
        return


def test_a_file_that_makes_polars_panic_is_a_value_error(run: FakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    def panics(stored: StoredFile) -> None:
        raise PanicException("called `Option::unwrap()` on a `None` value")

    monkeypatch.setattr(shared.tasks.tables.reading, "read_file", panics)
    with pytest.raises(ValueError, match="cannot be read"):
        process_file(run, "a.parquet", PARQUET)


def test_an_unknown_file_is_missing(run: FakeRun) -> None:
    with pytest.raises(FileMissing):
        process(run, file_id=str(new_id()))


NUMBERS = st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9)
COMPARISONS = {
    "==": lambda one, other: one == other,
    "!=": lambda one, other: one != other,
    "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other,
    ">": lambda one, other: one > other,
    ">=": lambda one, other: one >= other,
}


@given(
    values=st.lists(st.none() | NUMBERS, max_size=12) | st.lists(st.none() | st.text("ab.é*", max_size=4), max_size=12),
    cmp=st.sampled_from(sorted(COMPARISONS)),
    data=st.data(),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_filters_compare_as_python_does_and_missing_values_never_match(
    run: FakeRun, values: list[Any], cmp: str, data: st.DataObject
) -> None:
    present = [value for value in values if value is not None]
    if not present:
        return
    value = data.draw(st.sampled_from(present))
    rows = [{"v": v, "n": n} for n, v in enumerate(values)]
    kept = [row["n"] for row in process(run, keep("v", cmp, value), rows=rows).rows]
    assert kept == [n for n, v in enumerate(values) if v is not None and COMPARISONS[cmp](v, value)]
    chosen = data.draw(st.lists(st.sampled_from(present), max_size=4))
    kept = [row["n"] for row in process(run, keep("v", "in", chosen), rows=rows).rows]
    assert kept == [n for n, v in enumerate(values) if v is not None and v in chosen]


SCALARS = st.none() | st.booleans() | st.integers(-INT64_MAX, INT64_MAX) | st.floats(allow_nan=False) | st.text()


@given(rows=st.lists(st.dictionaries(st.text(max_size=3), SCALARS, max_size=4), max_size=6), describe=st.booleans())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_rows_give_json_or_a_clear_refusal(run: FakeRun, rows: list[dict[str, Any]], describe: bool) -> None:
    try:
        process(run, *([{"op": "describe"}] if describe else []), rows=rows)
    except ValueError as refused:
        assert str(refused)  # noqa: PT017 — refusing is one of two right answers


@pytest.mark.parametrize(
    "given_input",
    [
        {"operations": []},
        {"rows": [], "file_id": str(new_id()), "operations": []},
        {"rows": []},
        {"rows": [{"a": [1]}], "operations": []},
        {"rows": [{"a": 2**63}], "operations": []},
        {"rows": [1], "operations": []},
        {"rows": [], "operations": [{"op": "drop"}]},
        {"rows": [], "operations": [{"op": "limit", "n": -1}]},
        {"rows": [], "operations": [{"op": "limit", "n": 1, "m": 2}]},
        {"rows": [], "operations": [{"op": "limit", "n": 1}] * 51},
        {"rows": [], "operations": [keep("a", "in", 1)]},
        {"rows": [], "operations": [keep("a", "==", [1])]},
        {"rows": [], "operations": [keep("a", "<", None)]},
        {"rows": [], "operations": [keep("a", "contains", 1)]},
        {"rows": [], "operations": [keep("a", "like", "x")]},
        {"rows": [], "operations": [{"op": "select", "columns": []}]},
        {"rows": [], "operations": [{"op": "group_by", "by": ["a"], "aggregate": {}}]},
        {"rows": [], "operations": [{"op": "group_by", "by": ["a"], "aggregate": {"b": "mode"}}]},
        {"rows": [], "operations": [{"op": "group_by", "by": ["a"], "aggregate": {"b": []}}]},
    ],
)
def test_input_out_of_bounds_is_refused(given_input: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DataInput.model_validate(given_input)
