"""A ``filter`` operation as a polars expression: comparing like with like, or a ValueError that says what does not fit.

polars would compare some unlike things silently and lose digits doing so; here the kinds must match, whole
numbers are compared exactly, and a missing value matches nothing but ``== null``.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any, Literal

import polars as pl
from polars.datatypes import DataType

from shared.tasks.tables.operations import Filter

Kind = Literal["number", "text", "boolean", "date", "datetime", "time"]

KINDS: dict[Kind, tuple[type[DataType], ...]] = {
    "text": (pl.String, pl.Categorical, pl.Enum),
    "boolean": (pl.Boolean,),
    "date": (pl.Date,),
    "datetime": (pl.Datetime,),
    "time": (pl.Time,),
}
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

PARSE: dict[str, Callable[[str], date | datetime | time]] = {
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "time": time.fromisoformat,
}


def condition(given: Filter, dtype: DataType) -> pl.Expr:
    """Which rows ``given`` keeps, for a column of type ``dtype``.

    Raises: ValueError: the value is of another kind than the column.
    """
    column = pl.col(given.column)
    if given.value is None:
        return column.is_null() if given.cmp == "==" else column.is_not_null()
    if dtype == pl.Null:
        return pl.lit(value=False)
    kind = _kind_of(dtype)
    if kind is None:
        raise ValueError(f"column {given.column!r} holds {dtype}, which cannot be compared")
    if given.cmp == "contains":
        if kind != "text":
            raise ValueError(f"contains looks in text; column {given.column!r} holds {kind} values")
        return column.cast(pl.String).str.contains(str(given.value), literal=True)
    values = given.value if isinstance(given.value, list) else [given.value]
    typed = [_typed(given.column, kind, dtype, value) for value in values]
    column, common = _comparable(column, kind, dtype, typed)
    if given.cmp == "in":
        return column.is_in(pl.Series(typed, dtype=common, strict=False).implode()) if typed else pl.lit(value=False)
    expression: pl.Expr = COMPARE[given.cmp](column, pl.lit(typed[0], dtype=common))
    return expression


def _kind_of(dtype: DataType) -> Kind | None:
    if dtype.is_numeric():
        return "number"
    return next((kind for kind, types in KINDS.items() if isinstance(dtype, types)), None)


def _typed(column: str, kind: Kind, dtype: DataType, value: Any) -> Any:
    """``value`` as the column's kind."""
    given = "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
    if kind in {"date", "datetime", "time"} and given == "text":
        return _moment(column, kind, dtype, value)
    if given != kind:
        raise ValueError(f"column {column!r} holds {kind} values; {value!r} is a {given}")
    return value


def _moment(column: str, kind: Kind, dtype: DataType, text: str) -> date | datetime | time:
    try:
        moment = PARSE[kind](text)
    except ValueError:
        raise ValueError(f"column {column!r} holds {kind} values; {text!r} is not one in ISO 8601") from None
    if isinstance(moment, datetime):
        is_aware = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
        if (moment.tzinfo is not None) != is_aware:
            need = "needs" if is_aware else "takes no"
            raise ValueError(f"column {column!r}: {text!r} {need} UTC offset here")
        return moment.astimezone(UTC) if is_aware else moment
    return moment


def _comparable(column: pl.Expr, kind: Kind, dtype: DataType, values: list[Any]) -> tuple[pl.Expr, Any]:
    """The column cast so that the comparison is exact, and the type of the value beside it."""
    if kind == "text":
        return column.cast(pl.String), pl.String
    if kind == "number":
        is_whole = dtype.is_integer() and not any(isinstance(value, float) for value in values)
        common = pl.Int128 if is_whole else pl.Float64
        return column.cast(common), common
    if kind == "datetime" and isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return column.dt.convert_time_zone("UTC").dt.cast_time_unit("us"), pl.Datetime("us", "UTC")
    return column, None if kind == "datetime" else dtype
