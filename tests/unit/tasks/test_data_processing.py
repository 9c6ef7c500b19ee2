"""Operations on tables: rows kept, ordered, grouped and described; and input that is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.ids import new_id
from shared.tasks.data_processing import DataInput, DataOutput
from shared.tasks.numbers import INT64_MAX
from shared.testing import FakeRun
from tests.support.tables import SALES, keep, process


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
