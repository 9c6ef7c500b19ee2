"""Uploads: whole or refused, lines counted, archives listed but never believed further than their limits."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain.errors import Fatal, FileMissing
from shared.tasks.process_file_upload import FileInput, FileOutput, process_file_upload
from shared.testing import FakeRun
from tests.support import samples


def process(run: FakeRun, name: str, content: bytes, media_type: str | None = None) -> FileOutput:
    stored = run.files.put(name, content, media_type)
    result = process_file_upload(run, FileInput(file_id=stored.id))
    assert isinstance(result, FileOutput)
    return result


def listed(result: FileOutput) -> list[tuple[str, int]]:
    return [(entry.name, entry.size) for entry in result.entries or []]


def test_the_facts_of_a_file_are_its_own(run: FakeRun) -> None:
    content = b"a" * 3_000_000
    result = process(run, "blob.bin", content)
    assert result.model_dump() == {
        "name": "blob.bin",
        "size": 3_000_000,
        "sha256": hashlib.sha256(content).hexdigest(),
        "media_type": "application/octet-stream",
        "lines": None,
        "entries": None,
    }
    assert [percent for percent, _ in run.progressed][-1] == 90


@pytest.mark.parametrize(
    ("content", "media_type", "lines"),
    [
        (b"", "text/plain", 0),
        (b"one", "text/plain", 1),
        (b"one\n", "text/plain", 1),
        (b"one\ntwo", "text/csv", 2),
        (b"\n\n\n", "text/plain", 3),
        (b'{"a": 1}\n', "application/json", 1),
        (b"one\ntwo", "image/png", None),
        (b"x" * 1_048_575 + b"\ny", "text/plain", 2),
    ],
)
def test_lines_of_texts_are_counted(run: FakeRun, content: bytes, media_type: str, lines: int | None) -> None:
    assert process(run, "a.txt", content, media_type).lines == lines


def test_bytes_other_than_those_uploaded_are_fatal(run: FakeRun) -> None:
    stored = run.files.put("a.txt", b"changed since", sha256="0" * 64)
    with pytest.raises(Fatal, match="damaged"):
        process_file_upload(run, FileInput(file_id=stored.id))


def test_an_unknown_file_is_missing(run: FakeRun) -> None:
    with pytest.raises(FileMissing):
        process_file_upload(run, FileInput(file_id=uuid4()))


@pytest.mark.parametrize("given_id", ["not-an-id", "", 5, None])
def test_what_is_no_id_is_refused(given_id: Any) -> None:
    with pytest.raises(ValidationError):
        FileInput.model_validate({"file_id": given_id})


@pytest.mark.parametrize("make", [samples.zip_file, samples.tar_file, samples.tar_gz_file])
def test_archives_are_told_by_their_bytes_and_listed_in_order(run: FakeRun, make: Any) -> None:
    content = make({"b/2.txt": b"x" * 1_000, "a.txt": b"", "../up": b"yz"})
    result = process(run, "no-suffix", content)
    assert listed(result) == [("b/2.txt", 1_000), ("a.txt", 0), ("../up", 2)]
    assert all((e.compressed_size is not None) == (make is samples.zip_file) for e in result.entries or [])


def test_an_empty_archive_has_no_entries(run: FakeRun) -> None:
    assert process(run, "a.zip", samples.zip_file({})).entries == []


def test_a_gzip_that_is_no_tar_is_a_plain_file(run: FakeRun) -> None:
    assert process(run, "log.gz", gzip.compress(b"just text")).entries is None


def test_names_no_row_can_hold_are_escaped(run: FakeRun) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("bad-\udcff-name"))
        archive.addfile(tarfile.TarInfo("n" * 3_000))
    names = [name for name, _ in listed(process(run, "a.tar", buffer.getvalue()))]
    assert names == ["bad-\\udcff-name", "n" * 1_023 + "…"]


def lying_zip(declared: int) -> bytes:
    """A small zip whose directory declares ``declared`` bytes for its one entry."""
    data = bytearray(samples.zip_file({"bomb": b"\x00" * 1_000}))
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = declared.to_bytes(4, "little")
    return bytes(data)


def huge_pax_header() -> bytes:
    return samples.tar_header("pax", 2**31, kind=b"x") + b"\x00" * 9_000_000


BOMBS = {
    "a zip that unpacks a thousandfold": lambda: samples.zip_file({"zeros": b"\x00" * 5_000_000}),
    "a zip of many entries": lambda: samples.zip_file({f"{n}": b"" for n in range(10_001)}),
    "a zip that declares 4 GiB": lambda: lying_zip(2**32 - 2),
    "a zip with an oversized index": lambda: samples.zip_file({f"{n:05}" + "n" * 60_000: b"" for n in range(150)}),
    "an encrypted zip": samples.encrypted_zip,
    "a tar of many entries": lambda: b"".join(samples.tar_header(f"{n}", 0) for n in range(10_001)) + b"\x00" * 1_024,
    "a tar with a huge header": huge_pax_header,
    "a tar.gz that unpacks a thousandfold": lambda: samples.tar_gz_file({"zeros": b"\x00" * 5_000_000}),
    "a tar.gz with a huge header": lambda: gzip.compress(huge_pax_header()),
    "a tar.gz that declares 8 GiB": lambda: gzip.compress(samples.tar_header("huge", 2**33) + b"\x00" * 1_024),
}
DAMAGED = {
    "a zip cut short": lambda: samples.zip_file({"a": b"x" * 5_000}, compression=zipfile.ZIP_STORED)[:2_000],
    "a tar cut short": lambda: samples.tar_file({"a": b"x" * 50_000})[:9_000],
    "a tar.gz cut short": lambda: samples.tar_gz_file({"a": bytes(range(256)) * 400, "b": b""})[:400],
    "a tar pointing backwards": lambda: samples.tar_header("a", -1_024) + b"\x00" * 1_024,
    "a tar pointing at itself": lambda: samples.tar_header("a", 0) + samples.tar_header("b", -1_024) + b"\x00" * 1_024,
    "a tar with a broken header after the first": lambda: samples.tar_header("a", 0) + b"x" * 512,
    "a tar ending within a header": lambda: samples.tar_header("a", 0) + samples.tar_header("b", 0)[:300],
    "a tar.gz pointing backwards": lambda: gzip.compress(samples.tar_header("a", -1_024) + b"\x00" * 1_024),
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused(run: FakeRun, bomb: Any) -> None:
    with pytest.raises(Fatal) as refused:
        process(run, "upload", bomb())
    assert refused.value.code == "archive_refused"


@pytest.mark.parametrize("archive", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_archive_is_fatal(run: FakeRun, archive: Any) -> None:
    with pytest.raises(Fatal) as refused:
        process(run, "upload", archive())
    assert refused.value.code == "archive_broken"


def test_a_file_declared_a_zip_must_be_one(run: FakeRun) -> None:
    with pytest.raises(Fatal, match="no zip archive"):
        process(run, "a.zip", b"hello", "application/zip")


@pytest.mark.parametrize("make", [samples.zip_file, samples.tar_file, samples.tar_gz_file])
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_damage_anywhere_gives_a_json_safe_listing_or_a_fatal_error(
    run: FakeRun, make: Any, data: st.DataObject
) -> None:
    content = bytearray(make({"a/b.txt": b"hello", "c": b"\x00" * 700}))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        result = process(run, "upload", bytes(content[: data.draw(st.integers(600, 20_000))]))
    except Fatal:
        return
    text = json.dumps(result.model_dump(mode="json"), allow_nan=False)
    assert "\\u0000" not in text
