"""Uploads made to hurt: forms without end or measure, names that reach out, files that a browser would run."""

from __future__ import annotations

import io
import zipfile

import httpx
import pytest

from shared.settings import Settings
from tests.integration.api.conftest import assert_problem
from tests.integration.api.test_files import BOUNDARY, END, FORM, PATH, part, stored_bytes, uploaded

SCRIPT = b"<script>alert(document.domain)</script>"
NAMED = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n'.encode()
FORMS = {
    "ten thousand parts": part() * 10_000 + END,
    "ten thousand empty parts": f"--{BOUNDARY}\r\n\r\n\r\n".encode() * 10_000 + END,
    "a field of a megabyte": NAMED + b"X-Long: " + b"x" * 1_048_576 + b"\r\n\r\nx\r\n" + END,
    "a field name of a megabyte": NAMED + b"x" * 1_048_576 + b": 1\r\n\r\nx\r\n" + END,
    "ten thousand fields": NAMED + b"X: 1\r\n" * 10_000 + b"\r\nx\r\n" + END,
    "fields without an end": NAMED + b"X: 1\r\n" * 3,
    "a name of ten kilobytes": part(filename="x" * 10_000) + END,
    "no end": part(),
    "only beginnings": f"--{BOUNDARY}\r\n".encode() * 10_000,
    "another boundary": part().replace(BOUNDARY.encode(), b"other") + END,
    "a boundary within a boundary": f"--{BOUNDARY}--{BOUNDARY}\r\n".encode() * 1_000,
}


@pytest.mark.parametrize("name", FORMS)
async def test_a_form_out_of_measure_is_refused_and_leaves_nothing(
    api: httpx.AsyncClient, settings: Settings, name: str
) -> None:
    answer = await api.post(PATH, content=FORMS[name], headers=FORM)
    assert answer.status_code in {400, 422}, answer.text
    assert_problem(answer, answer.status_code, answer.json()["code"])
    assert stored_bytes(settings) == []


async def test_content_that_almost_ends_all_the_time_is_kept_to_the_byte(api: httpx.AsyncClient) -> None:
    content = f"\r\n--{BOUNDARY[:-1]}\r\r\n-".encode() * 100_000
    answer = await api.post(PATH, content=part(content=content) + END, headers=FORM)
    assert answer.status_code == 201, answer.text
    assert (await api.get(f"{answer.headers['location']}/content")).content == content


@pytest.mark.parametrize(
    "filename",
    [
        "a\\r\\nSet-Cookie: x=1",
        "a%0d%0aSet-Cookie:%20x=1",
        "..\\\\..\\\\boot.ini",
        "/etc/passwd",
        "....//....//etc/passwd",
        "con.html\x00.png",
        "\u202egnp.exe",
        "a;b=c.html",
        "é" * 300,
        "<script>.svg",
    ],
)
async def test_no_name_reaches_out_of_its_field(api: httpx.AsyncClient, settings: Settings, filename: str) -> None:
    answer = await api.post(PATH, content=part(filename=filename, content=SCRIPT) + END, headers=FORM)
    assert answer.status_code == 201, answer.text
    name = answer.json()["name"]
    assert not {"/", "\\", "\x00", "\r", "\n", "\u202e"} & set(name)
    got = await api.get(f"{answer.headers['location']}/content")
    assert "set-cookie" not in got.headers
    assert got.headers["content-disposition"].startswith("attachment;")
    assert not {"<", ">", "\r", "\n"} & set(got.headers["content-disposition"].replace("filename", ""))
    root = settings.storage_dir.resolve()
    assert all(path.resolve().is_relative_to(root) for path in stored_bytes(settings))


def archive_behind(head: bytes) -> bytes:
    """A zip that begins as something else: each of the two readers is content."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.html", SCRIPT)
    return head + packed.getvalue()


RUNNABLE = {
    "page.html": b"<!doctype html>" + SCRIPT,
    "page.xhtml": b"<html xmlns='http://www.w3.org/1999/xhtml'><body>" + SCRIPT + b"</body></html>",
    "picture.svg": b"<svg xmlns='http://www.w3.org/2000/svg'>" + SCRIPT + b"</svg>",
    "picture.png": SCRIPT,
    "picture.gif": b"GIF89a/*" + SCRIPT + b"*/=1;",
    "archive.gif": archive_behind(b"GIF89a"),
    "document.pdf": b"%PDF-1.7\n1 0 obj<</S/JavaScript/JS(app.alert(1))>>endobj",
    "feed.xml": b"<?xml version='1.0'?><?xml-stylesheet href='data:,x'?><x:script xmlns:x='http://www.w3.org/1999/xhtml'/>",
    "page.txt": b"\xff\xfe<\x00s\x00c\x00r\x00i\x00p\x00t\x00>\x00",
    "page.json": b'{"a": "</script><script>alert(1)</script>"}',
    "page.js": b"alert(1)",
    "page.mht": b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + SCRIPT,
}
HARMLESS = {
    "content-disposition": "attachment",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
}


@pytest.mark.parametrize("name", RUNNABLE)
async def test_whatever_a_file_is_no_browser_runs_it_as_ours(api: httpx.AsyncClient, name: str) -> None:
    path = f"{(await uploaded(api, name, RUNNABLE[name])).headers['location']}/content"
    for headers in ({}, {"Range": "bytes=0-3"}):
        got = await api.get(path, headers=headers)
        assert got.is_success
        for field, begins in HARMLESS.items():
            assert got.headers[field].startswith(begins), (field, got.headers[field])
        assert got.headers["content-type"].partition(";")[0] not in {
            "image/svg+xml", "application/xhtml+xml", "text/javascript", "application/javascript", "message/rfc822"
        }  # fmt: skip
