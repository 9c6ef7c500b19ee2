"""Operations on a lazy frame. Every refusal names the operation by its index, the column, and what is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import assert_never

import polars as pl
from polars.exceptions import PolarsError

from shared.tasks.tables.conditions import condition
from shared.tasks.tables.operations import Aggregate, Describe, Filter, GroupBy, Limit, Operation, Select, Sort

MOST_NAMED = 20
AGGREGATES: dict[Aggregate, Callable[[pl.Expr], pl.Expr]] = {
    "sum": pl.Expr.sum,
    "mean": pl.Expr.mean,
    "min": pl.Expr.min,
    "max": pl.Expr.max,
    "count": pl.Expr.count,
    "median": pl.Expr.median,
    "std": pl.Expr.std,
}
NUMERIC_ONLY = frozenset({"sum", "mean", "median", "std"})


def plan(frame: pl.LazyFrame, operations: Sequence[Operation], report: Callable[[int, str], None]) -> pl.LazyFrame:
    """``frame`` after all ``operations``; ``report(index, op)`` is called before each.

    Only ``describe`` computes at once; everything else waits for the frame to be collected.

    Raises: ValueError: an operation does not fit the table it meets.
    """
    for index, operation in enumerate(operations):
        report(index, operation.op)
        try:
            frame = _apply(frame, operation)
            frame.collect_schema()
        except (ValueError, PolarsError) as error:
            raise ValueError(f"operations[{index}] ({operation.op}): {first_line(error)}") from error
    return frame


def first_line(error: BaseException) -> str:
    """polars explains at length, with its plan; the first line says what is wrong."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def _apply(frame: pl.LazyFrame, operation: Operation) -> pl.LazyFrame:
    schema = frame.collect_schema()
    match operation:
        case Describe():
            return _described(frame, schema)
        case Filter():
            _require(schema, [operation.column])
            return frame.filter(condition(operation, schema[operation.column]))
        case Select():
            _require(schema, operation.columns)
            return frame.select(operation.columns)
        case Sort():
            by = [operation.by] if isinstance(operation.by, str) else operation.by
            _require(schema, by)
            return frame.sort(by, descending=operation.descending, nulls_last=True, maintain_order=True)
        case GroupBy():
            return _grouped(frame, schema, operation)
        case Limit():
            return frame.head(operation.n)
        case _:
            assert_never(operation)


def _require(schema: pl.Schema, columns: Sequence[str]) -> None:
    for column in columns:
        if column not in schema:
            known = ", ".join(repr(name) for name in schema.names()[:MOST_NAMED]) or "none"
            more = ", …" if len(schema) > MOST_NAMED else ""
            raise ValueError(f"there is no column {column!r}; known: {known}{more}")
    if len(set(columns)) < len(columns):
        raise ValueError("a column is named twice")


def _described(frame: pl.LazyFrame, schema: pl.Schema) -> pl.LazyFrame:
    if not schema.names():
        raise ValueError("the table has no columns")
    if "statistic" in schema:
        raise ValueError("a column is named 'statistic', which is what describe calls its own: select the others")
    return frame.describe().lazy().with_columns(pl.selectors.float().fill_nan(None))


def _grouped(frame: pl.LazyFrame, schema: pl.Schema, given: GroupBy) -> pl.LazyFrame:
    _require(schema, given.by)
    _require(schema, list(given.aggregate))
    wanted = [
        (column, function)
        for column, functions in given.aggregate.items()
        for function in ([functions] if isinstance(functions, str) else functions)
    ]
    names = [*given.by, *(f"{column}_{function}" for column, function in wanted)]
    if len(set(names)) < len(names):
        raise ValueError("two columns of the answer would have the same name")
    return frame.group_by(given.by, maintain_order=True).agg(
        _aggregated(column, function, schema[column]).alias(f"{column}_{function}") for column, function in wanted
    )


def _aggregated(column: str, function: Aggregate, dtype: pl.DataType) -> pl.Expr:
    if function in NUMERIC_ONLY and not (dtype.is_numeric() or isinstance(dtype, pl.Boolean | pl.Null)):
        raise ValueError(f"{function} needs numbers; column {column!r} holds {dtype}")
    if function in {"min", "max"} and dtype.is_nested():
        raise ValueError(f"{function} needs values with an order; column {column!r} holds {dtype}")
    # 64 bits would wrap round silently.
    is_wide = function == "sum" and dtype.is_integer()
    return AGGREGATES[function](pl.col(column).cast(pl.Int128) if is_wide else pl.col(column))
