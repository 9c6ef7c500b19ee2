"""A computed table as JSON-safe rows, refused before it is built where it cannot fit a result."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import orjson
import polars as pl

from shared.domain.errors import Fatal
from shared.domain.verdict import RESULT_LIMIT_BYTES
from shared.tasks.numbers import INT64_MAX

ROWS_AT_A_TIME = 64


class AnswerTooLarge(Fatal):
    """The answer does not fit a result."""

    code = "answer_too_large"

    def __init__(self) -> None:
        super().__init__(
            f"The answer is larger than {RESULT_LIMIT_BYTES} bytes: add a limit, a filter, a select or a group_by."
        )


def most_rows(columns: Sequence[str]) -> int:
    """How many rows of these columns could fit at all: a row is no shorter than ``{"name":1,…}``."""
    shortest = 2 + sum(len(name.encode()) + 5 for name in columns)
    return RESULT_LIMIT_BYTES // shortest


def rows_of(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain JSON values.

    Raises: AnswerTooLarge; ValueError: a column's name holds a NUL, which no row of ours can store.
    """
    columns = frame.columns
    if any("\x00" in name for name in columns):
        raise ValueError("A column's name holds a NUL character: leave it out with select.")
    if frame.height > most_rows(columns):
        raise AnswerTooLarge
    rows: list[dict[str, Any]] = []
    size = sum(len(name) for name in columns)
    for values in frame.iter_rows(buffer_size=ROWS_AT_A_TIME):
        row = {name: plain(value) for name, value in zip(columns, values, strict=True)}
        size += len(orjson.dumps(row)) + 1
        if size > RESULT_LIMIT_BYTES:
            raise AnswerTooLarge
        rows.append(row)
    return rows


def plain(value: Any) -> Any:
    """A JSON value.

    NaN and infinity become null, moments ISO 8601, durations seconds, decimals and whole numbers
    past 64 bits text, bytes base64, and a NUL in a text U+FFFD.
    """
    convert = _PLAIN.get(type(value), _other)
    return convert(value)


def _other(value: Any) -> Any:
    if isinstance(value, dict):
        return {plain(str(key)): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | pl.Series):
        return [plain(item) for item in value]
    return plain(str(value))


_PLAIN: dict[type, Callable[[Any], Any]] = {
    type(None): lambda value: value,
    bool: lambda value: value,
    int: lambda value: value if abs(value) <= INT64_MAX else str(value),
    float: lambda value: value if math.isfinite(value) else None,
    str: lambda value: value.replace("\x00", "\ufffd"),
    date: date.isoformat,
    datetime: datetime.isoformat,
    time: time.isoformat,
    timedelta: timedelta.total_seconds,
    Decimal: lambda value: str(value) if value.is_finite() else None,
    bytes: lambda value: base64.b64encode(value).decode("ascii"),
}
