"""Files as tables: every format, and what is broken, no table, too large or a bomb."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.exceptions import PanicException

import shared.tasks.tables.reading
from shared.domain.errors import Fatal, FileMissing
from shared.domain.ids import new_id
from shared.domain.run import StoredFile
from shared.tasks.data_processing import DataOutput
from shared.testing import FakeRun
from tests.support import samples
from tests.support.tables import SALES, process, process_file

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
