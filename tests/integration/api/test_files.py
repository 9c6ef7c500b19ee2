"""Files over REST: in and out unchanged, never larger than allowed, nothing left behind."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from service.app import build
from service.dependencies import House
from service.schemas.files import FileView
from shared.queue.stores import Stores
from shared.registry import Registry
from shared.settings import Settings
from tests.integration.api.conftest import LOOPBACK_URL, assert_problem

PATH = "/api/v1/files"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 2_000
BOUNDARY = "b0undary"
FORM = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}


def stored_bytes(settings: Settings) -> list[Path]:
    return [path for path in settings.storage_dir.rglob("*") if path.is_file()]


def part(name: str = "file", filename: str | None = "a.txt", content: bytes = b"text\n") -> bytes:
    named = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


async def uploaded(api: httpx.AsyncClient, name: str, content: bytes, **given: Any) -> httpx.Response:
    return await api.post(PATH, files={"file": (name, content)}, **given)


async def test_a_file_comes_back_as_it_went_in(api: httpx.AsyncClient, settings: Settings) -> None:
    answer = await uploaded(api, "a picture.png", PNG)
    assert answer.status_code == 201, answer.text
    record = answer.json()
    FileView.model_validate(record)
    assert answer.headers["location"] == f"{PATH}/{record['id']}"
    assert (record["name"], record["size"], record["media_type"]) == ("a picture.png", len(PNG), "image/png")
    assert record["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert (await api.get(answer.headers["location"])).json() == record
    content = await api.get(f"{PATH}/{record['id']}/content")
    assert (content.status_code, content.content) == (200, PNG)
    assert content.headers["content-type"] == "image/png"
    assert content.headers["content-disposition"].startswith("attachment")
    assert content.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in content.headers["content-security-policy"]
    assert (await api.delete(answer.headers["location"])).status_code == 204
    assert stored_bytes(settings) == []
    for path in (answer.headers["location"], f"{answer.headers['location']}/content"):
        assert_problem(await api.get(path), 404, "not_found")
    assert_problem(await api.delete(answer.headers["location"]), 404, "not_found")


async def test_a_name_reaches_neither_the_disk_nor_a_header_unquoted(
    api: httpx.AsyncClient, settings: Settings
) -> None:
    body = part(filename='../../etc/pass\twd"; x="', content=b"x") + END
    for content in (body, body.replace(b"pass\twd", "p☃ss".encode())):
        answer = await api.post(PATH, content=content, headers=FORM)
        assert answer.status_code == 201, answer.text
        assert "/" not in answer.json()["name"]
        got = await api.get(f"{answer.headers['location']}/content")
        assert got.headers["content-disposition"].count('"') in {0, 2}
    root = settings.storage_dir.resolve()
    assert all(path.resolve().is_relative_to(root) for path in stored_bytes(settings))


async def test_html_is_handed_out_as_an_attachment_in_a_sandbox(api: httpx.AsyncClient) -> None:
    answer = await uploaded(api, "page.html", b"<script>alert(1)</script>")
    got = await api.get(f"{answer.headers['location']}/content")
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.headers["content-security-policy"] == "default-src 'none'; sandbox"


async def test_a_range_is_served_and_a_senseless_one_ignored(api: httpx.AsyncClient) -> None:
    path = f"{(await uploaded(api, 'a.txt', b'0123456789')).headers['location']}/content"
    part_of = await api.get(path, headers={"Range": "bytes=2-4"})
    assert (part_of.status_code, part_of.content) == (206, b"234")
    for senseless in ("bytes=10-", "bytes=5-2", "lines=1-2", "bytes=0-1,3-4", "bytes=-", "x"):
        whole = await api.get(path, headers={"Range": senseless})
        assert (whole.status_code, whole.content) == (200, b"0123456789"), senseless


async def test_an_empty_file_is_a_file(api: httpx.AsyncClient) -> None:
    answer = await uploaded(api, "empty.txt", b"")
    assert (answer.status_code, answer.json()["size"]) == (201, 0)
    assert (await api.get(f"{answer.headers['location']}/content")).content == b""


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (END, 422, "validation_error"),
        (part(name="other") + END, 422, "validation_error"),
        (part(filename=None) + END, 422, "validation_error"),
        (part() + part() + END, 422, "validation_error"),
        (part() + part(name="note", filename=None) + END, 422, "validation_error"),
        (part(), 400, "bad_request"),
        (b"", 415, "unsupported_media_type"),
        (b"no multipart at all", 400, "bad_request"),
        (f"--{BOUNDARY}\r\nno header\r\n\r\nx\r\n".encode() + END, 400, "bad_request"),
        (f"--{BOUNDARY}\r\n\r\nx\r\n".encode() + END, 422, "validation_error"),
    ],
)
async def test_anything_but_one_file_is_refused_and_leaves_nothing(
    api: httpx.AsyncClient, settings: Settings, body: bytes, status: int, code: str
) -> None:
    headers = FORM if body else {}
    assert_problem(await api.post(PATH, content=body or b"x", headers=headers), status, code)
    assert stored_bytes(settings) == []


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=", f"multipart/form-data; boundary={'x' * 71}"])
async def test_a_boundary_is_needed(api: httpx.AsyncClient, kind: str) -> None:
    assert_problem(await api.post(PATH, content=part() + END, headers={"content-type": kind}), 400, "bad_request")


@pytest_asyncio.fixture
async def small(settings: Settings, stores: Stores, registry: Registry) -> AsyncIterator[httpx.AsyncClient]:
    """An API that takes files up to 1 MiB."""
    limited = settings.model_copy(update={"max_upload_mb": 1})
    app = build(limited, registry)
    app.state.house = House(stores, registry, limited)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOOPBACK_URL) as client:
        yield client


async def test_the_limit_is_the_files_own(small: httpx.AsyncClient, settings: Settings) -> None:
    assert (await uploaded(small, "fits", bytes(1_048_576))).status_code == 201
    over = await uploaded(small, "not", bytes(1_048_577))
    assert_problem(over, 413, "file_too_large")
    assert len(stored_bytes(settings)) == 1


async def test_a_body_without_a_length_is_cut_at_the_limit(small: httpx.AsyncClient, settings: Settings) -> None:
    async def endless() -> AsyncIterator[bytes]:
        yield part(content=b"")[:-2]
        while True:
            yield bytes(16_384)

    assert_problem(await small.post(PATH, content=endless(), headers=FORM), 413, "file_too_large")
    assert stored_bytes(settings) == []


async def test_a_repeated_upload_is_one_file(api: httpx.AsyncClient, settings: Settings) -> None:
    key = {"Idempotency-Key": "upload-1"}
    first = await uploaded(api, "a.txt", b"text", headers=key)
    again = await uploaded(api, "a.txt", b"text", headers=key)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    other = await uploaded(api, "a.txt", b"other", headers=key)
    assert_problem(other, 422, "idempotency_key_reused")
    assert len(stored_bytes(settings)) == 1


@pytest.mark.parametrize("file_id", ["x", "01890000-0000-7000-8000-000000000001"])
async def test_an_unknown_file_is_a_404(api: httpx.AsyncClient, file_id: str) -> None:
    for method, tail in (("GET", ""), ("GET", "/content"), ("DELETE", "")):
        assert_problem(await api.request(method, f"{PATH}/{file_id}{tail}"), 404, "not_found")


async def test_a_record_whose_bytes_are_gone_is_a_404(api: httpx.AsyncClient, settings: Settings) -> None:
    answer = await uploaded(api, "a.txt", b"x")
    stored_bytes(settings)[0].unlink()
    assert_problem(await api.get(f"{answer.headers['location']}/content"), 404, "not_found")
