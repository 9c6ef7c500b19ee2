"""Files and rows as lazy frames, within bounds that are checked before the data is read.

What bounds memory is cells, not bytes: a few megabytes of JSON can name a new column in every row,
and a short CSV line stands for as many cells as the header has names.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import orjson
import polars as pl
from polars.datatypes import Array, List, Struct
from polars.exceptions import NoDataError

from shared.domain.errors import Fatal
from shared.domain.run import StoredFile
from shared.tasks.tables.parquet import declared

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

Format = Literal["csv", "tsv", "json", "ndjson", "parquet"]

SUFFIXES: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
}
MEDIA_TYPES: dict[str, Format] = {
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
    "application/json": "json",
    "application/x-ndjson": "ndjson",
    "application/jsonl": "ndjson",
    "application/vnd.apache.parquet": "parquet",
}
MEBIBYTE = 1_048_576
# A JSON array is parsed whole, into objects ten times its size; the others are streamed.
LARGEST_BYTES: dict[Format, int] = {
    "csv": 64 * MEBIBYTE,
    "tsv": 64 * MEBIBYTE,
    "ndjson": 64 * MEBIBYTE,
    "json": 16 * MEBIBYTE,
    "parquet": 64 * MEBIBYTE,
}
MOST_UNPACKED_BYTES = 512 * MEBIBYTE
MOST_COLUMNS = 1_000
MOST_CELLS = 32_000_000
# polars unpacks these by itself, without any limit.
COMPRESSED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


class TableRefused(Fatal):
    """The file is no table this task can read, or too large."""

    code = "table_refused"


def read_file(stored: StoredFile) -> pl.LazyFrame:
    """The table in ``stored``, by the suffix of its name, else by its media type.

    Raises: TableRefused: another kind of file, or past the limits; ValueError: broken JSON.
    """
    kind = format_of(stored)
    size = stored.path.stat().st_size
    if size > LARGEST_BYTES[kind]:
        hint = "; as NDJSON it may be larger" if kind == "json" else ""
        raise TableRefused(f"The file has {size} bytes; {LARGEST_BYTES[kind]} are allowed for {kind}{hint}.")
    if kind == "parquet":
        return _parquet(stored.path)
    with stored.path.open("rb") as file:
        if file.read(4).startswith(COMPRESSED):
            raise TableRefused("The file is compressed: unpack it before uploading.")
    match kind:
        case "csv" | "tsv":
            return _csv(stored.path, "\t" if kind == "tsv" else ",")
        case "json":
            return read_rows(_json_array(stored.path))
        case "ndjson":
            return _ndjson(stored.path, _lines(stored.path))


def format_of(stored: StoredFile) -> Format:
    """Raises: TableRefused, naming what can be read."""
    kind = SUFFIXES.get(Path(stored.name).suffix.lower()) or MEDIA_TYPES.get(stored.media_type.split(";")[0].strip())
    if kind is None:
        known = ", ".join(sorted(SUFFIXES))
        raise TableRefused(f"Neither the name nor the type ({stored.media_type}) says which table this is: {known}.")
    return kind


def read_rows(rows: list[dict[str, Any]]) -> pl.LazyFrame:
    """Objects as a table; a key missing from a row is a missing value there.

    They go through NDJSON, so that rows, JSON and NDJSON have one way of finding types.
    """
    if not rows:
        return pl.LazyFrame()
    text = io.BytesIO()
    try:
        # Written one by one: each answer of orjson's holds a kilobyte or more until it is let go.
        for row in rows:
            text.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    except orjson.JSONEncodeError as error:
        raise ValueError(f"The rows cannot be read: {error}") from error
    text.seek(0)
    return _ndjson(text, len(rows))


def _json_array(path: Path) -> list[dict[str, Any]]:
    try:
        rows = orjson.loads(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise ValueError(f"The file is not valid JSON: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("The JSON file must be an array of objects.")
    return rows


def _ndjson(source: Path | io.BytesIO, rows: int) -> pl.LazyFrame:
    return _bounded(pl.scan_ndjson(source, infer_schema_length=None), rows)


def _csv(path: Path, separator: str) -> pl.LazyFrame:
    try:
        # Types come from the whole file: a late "n/a" makes a column text, instead of failing.
        frame = pl.scan_csv(path, separator=separator, infer_schema_length=None, glob=False)
        return _bounded(frame, _lines(path))
    except NoDataError as error:
        raise ValueError("The file is empty.") from error


def _parquet(path: Path) -> pl.LazyFrame:
    facts = declared(path)
    if facts.unpacked_bytes > MOST_UNPACKED_BYTES:
        raise TableRefused(f"The file unpacks to {facts.unpacked_bytes} bytes; {MOST_UNPACKED_BYTES} are allowed.")
    if facts.values > MOST_CELLS:
        raise TableRefused(f"The file holds {facts.values} values; {MOST_CELLS} are allowed.")
    frame = pl.scan_parquet(path, glob=False, hive_partitioning=False)
    return _bounded(frame, int(frame.select(pl.len()).collect().item()))


def _bounded(frame: pl.LazyFrame, rows: int) -> pl.LazyFrame:
    """``frame`` with NaN read as missing. Raises: TableRefused: too many columns or cells."""
    columns = sum(_leaves(dtype) for dtype in frame.collect_schema().dtypes())
    if columns > MOST_COLUMNS:
        raise TableRefused(f"The table has {columns} columns; {MOST_COLUMNS} are allowed.")
    if rows * columns > MOST_CELLS:
        raise TableRefused(f"The table has about {rows} rows of {columns} columns; {MOST_CELLS} cells are allowed.")
    return frame.with_columns(pl.selectors.float().fill_nan(None))


def _leaves(dtype: PolarsDataType) -> int:
    """How many columns of plain values a (nested) column comes to."""
    if isinstance(dtype, Struct):
        return 1 + sum(_leaves(field.dtype) for field in dtype.fields)
    if isinstance(dtype, List | Array) and dtype.inner is not None:
        return _leaves(dtype.inner)
    return 1


def _lines(path: Path) -> int:
    """An upper bound of the file's rows."""
    with path.open("rb") as file:
        return 1 + sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(MEBIBYTE), b""))
