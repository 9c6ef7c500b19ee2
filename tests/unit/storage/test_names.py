"""What an uploaded file is called, and what it is taken for."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.storage import safe_name, sniff_media_type


@pytest.mark.parametrize(
    ("name", "head", "media_type"),
    [
        ("a.txt", b"\x89PNG\r\n\x1a\n....", "image/png"),
        ("a", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a", b"GIF89a", "image/gif"),
        ("a", b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        ("a", b"RIFF\x10\x00\x00\x00WAVEfmt ", "audio/wav"),
        ("a", b"BM\x00\x10\x00\x00", "image/bmp"),
        ("a", b"II*\x00", "image/tiff"),
        ("a.html", b"%PDF-1.7", "application/pdf"),
        ("a", b"PK\x03\x04", "application/zip"),
        ("a.csv", b"\x1f\x8b\x08\x00", "application/gzip"),
        ("a", b"PAR1\x15\x04", "application/vnd.apache.parquet"),
        ("a.csv", b"a,b\n1,2\n", "text/csv"),
        ("A.CSV", b"a,b\n1,2\n", "text/csv"),
        ("a.csv", b"", "text/csv"),
        ("a.json", b"{}", "application/json"),
        ("a.ndjson", b"{}\n{}", "application/x-ndjson"),
        ("a.md", "# 标题".encode(), "text/markdown"),
        ("a.html", b"<!doctype html>", "text/html"),
        ("a.txt", b"BM is how this line of text begins", "text/plain"),
        ("a.txt", b"12345678WEBP", "text/plain"),
        ("a.txt", b"nul\x00", "application/octet-stream"),
        ("a.txt", b"\xff\xfeh\x00i\x00", "application/octet-stream"),
        ("a.png", b"not a picture", "application/octet-stream"),
        ("a.exe", b"MZ\x90\x00", "application/octet-stream"),
        ("", b"", "application/octet-stream"),
    ],
)
def test_bytes_decide_the_media_type_and_the_name_only_which_kind_of_text(
    name: str, head: bytes, media_type: str
) -> None:
    assert sniff_media_type(name, head) == media_type


def test_a_character_cut_by_the_end_of_the_head_is_still_text() -> None:
    head = (b"x" + "界".encode() * 2_000)[:4_096]
    assert sniff_media_type("a.txt", head) == "text/plain"


def test_a_character_cut_by_the_end_of_the_file_is_not_text() -> None:
    assert sniff_media_type("a.txt", "界".encode()[:2]) == "application/octet-stream"


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\photo.jpg", "photo.jpg"),
        ("/", "file"),
        ("", "file"),
        ("..", "file"),
        (" . ", "file"),
        ("a\r\nSet-Cookie: x", "aSet-Cookie: x"),
        ("nul\x00byte.txt", "nulbyte.txt"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("报告.csv", "报告.csv"),
        ("\ud800.txt", ".txt"),
        ("x" * 300 + ".csv", "x" * 251 + ".csv"),
        ("x." + "y" * 300, "x." + "y" * 253),
    ],
)
def test_a_name_is_reduced_to_what_can_be_shown(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@given(st.text())
def test_any_name_becomes_a_harmless_one_and_stays_so(name: str) -> None:
    safe = safe_name(name)
    assert 0 < len(safe) <= 255
    assert not {"/", "\\"} & set(safe)
    assert safe not in {".", ".."}
    assert not any(unicodedata.category(c) in {"Cc", "Cs"} for c in safe)
    assert safe_name(safe) == safe


@given(st.text(), st.binary())
def test_any_bytes_have_a_media_type(name: str, head: bytes) -> None:
    assert sniff_media_type(name, head).count("/") == 1
