"""What a request meets before any route, over a real socket."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import orjson
import pytest
import pytest_asyncio
from fastapi import FastAPI

from shared.queue.stores import Stores
from tests.integration.api.conftest import SUM, assert_problem
from tests.integration.api.operations import OPERATIONS, Operation, nothing
from tests.integration.api.served import RawAnswer, exchange, posted, request, served

TASKS = "/api/v1/tasks"
BODILESS = [operation for operation in OPERATIONS if operation.method != "GET" and "requestBody" not in operation.does]
MIB = 1_048_576


@pytest_asyncio.fixture
async def port(app: FastAPI) -> AsyncIterator[int]:
    async with served(app) as port:
        yield port


def assert_raw_problem(answer: RawAnswer, status: int, code: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json["code"] == code
    assert answer.json["request_id"] == answer.headers["x-request-id"]


def task_of_size(size: int) -> bytes:
    """A valid task whose body has exactly ``size`` bytes."""
    bare = len(orjson.dumps({**SUM, "metadata": {"fill": ""}}))
    body = orjson.dumps({**SUM, "metadata": {"fill": "x" * (size - bare)}})
    assert len(body) == size
    return body


async def test_a_body_of_one_mebibyte_is_taken_and_a_byte_more_is_not(port: int) -> None:
    assert (await exchange(port, posted(TASKS, task_of_size(MIB)))).status == 201
    assert_raw_problem(await exchange(port, posted(TASKS, task_of_size(MIB + 1))), 413, "payload_too_large")


async def test_a_length_too_large_is_refused_before_the_body_is_sent(port: int) -> None:
    head = request(f"POST {TASKS}", "Content-Type: application/json", f"Content-Length: {MIB + 1}")
    assert_raw_problem(await exchange(port, head), 413, "payload_too_large")


async def test_a_body_without_a_length_is_cut_at_the_limit(port: int) -> None:
    head = request(f"POST {TASKS}", "Content-Type: application/json", "Transfer-Encoding: chunked")
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    assert_raw_problem(await exchange(port, head, *[chunk] * 17), 413, "payload_too_large")


async def test_a_batch_may_be_larger(port: int) -> None:
    body = b'{"tasks": [' + b",".join([task_of_size(MIB // 2)] * 5) + b"]}"
    assert (await exchange(port, posted(f"{TASKS}/batch", body))).status == 201
    head = request(f"POST {TASKS}/batch", "Content-Type: application/json", f"Content-Length: {32 * MIB + 1}")
    assert_raw_problem(await exchange(port, head), 413, "payload_too_large")


async def test_header_fields_have_sixteen_kibibytes_together(port: int) -> None:
    few = [f"X-Pad-{n}: {'x' * 1_000}" for n in range(15)]
    assert (await exchange(port, request("GET /health/live", *few))).status == 200
    many = [f"X-Pad-{n}: {'x' * 1_000}" for n in range(17)]
    assert_raw_problem(await exchange(port, request("GET /health/live", *many)), 431, "headers_too_large")


async def test_a_url_has_eight_kibibytes(port: int) -> None:
    assert (await exchange(port, request(f"GET {TASKS}?tag={'x' * 100}"))).status == 200
    for line in (f"GET {TASKS}?tag={'x' * 8_192}", f"GET /{'x' * 8_192}"):
        assert_raw_problem(await exchange(port, request(line)), 414, "uri_too_long")


@pytest.mark.parametrize(
    "fields",
    [
        [],
        ["Content-Type: text/plain"],
        ["Content-Type: application/x-www-form-urlencoded"],
        ["Content-Type: multipart/form-data; boundary=x"],
        ["Content-Type: application/jsonx"],
        ["Content-Type: application/json; charset=latin-1"],
        ["Content-Type: application/json;   charset = utf-16"],
        ["Content-Type: application/json; version=1; charset=us-ascii"],
        ["Content-Type: application/json; charset=utf-8; charset=latin-1"],
        ["Content-Type: application/json; charset=utf-8x"],
        ["Content-Type: application/json", "Content-Encoding: gzip"],
        ["Content-Type: application/json", "Content-Encoding: br"],
    ],
    ids=str,
)
async def test_a_body_that_is_not_plain_json_is_a_415(port: int, fields: list[str]) -> None:
    body = gzip.compress(b"{}")
    for path in (TASKS, f"{TASKS}/batch", "/nowhere"):
        raw = request(f"POST {path}", *fields, f"Content-Length: {len(body)}", body=body)
        assert_raw_problem(await exchange(port, raw), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "Application/JSON; charset=utf-8",
        'application/json ;charset="UTF-8" ; version=1',
        "application/json;",
        "application/vnd.task+json",
    ],
)
async def test_json_goes_by_several_names(port: int, kind: str) -> None:
    raw = posted(TASKS, orjson.dumps(SUM), "Content-Encoding: identity", kind=kind)
    assert (await exchange(port, raw)).status == 201


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b'\xef\xbb\xbf{"prompt": "x"}', 400),
        (b'{"prompt": "\xff"}', 400),
        ('{"prompt": "x"}'.encode("utf-16"), 400),
        (b'{"prompt": "x", "prompt": "y"}', 400),
        (b'{"prompt": NaN}', 400),
        (b'{"prompt": "x", "delay": 1e999}', 400),
        (b'{"prompt": "x", "metadata": ' + b'{"a":' * 64 + b"1" + b"}" * 65, 400),
        (b'{"prompt": "x\\u0000"}', 422),
        (b'{"prompt": "x\\ud800"}', 422),
        (b'{"prompt": "x", "metadata": {"a\\u0000": 1}}', 422),
        (b'{"prompt": "x", "metadata": {"n": 9223372036854775808}}', 422),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_json_is_read_strictly(port: int, body: bytes, status: int) -> None:
    code = "malformed_json" if status == 400 else "validation_error"
    assert_raw_problem(await exchange(port, posted(TASKS, body)), status, code)


@pytest.mark.parametrize("path", [TASKS, f"{TASKS}/batch"])
@pytest.mark.parametrize("kind", [[], ["Content-Type: application/json"], ["Content-Type: text/plain"]], ids=str)
async def test_no_body_at_all_is_malformed_json(port: int, path: str, kind: list[str]) -> None:
    for length in ([], ["Content-Length: 0"]):
        answer = await exchange(port, request(f"POST {path}", *kind, *length))
        assert_raw_problem(answer, 400, "malformed_json")
    blank = await exchange(port, posted(path, b" \r\n"))
    assert_raw_problem(blank, 400, "malformed_json")


@pytest.mark.parametrize("operation", BODILESS, ids=str)
async def test_a_body_where_none_is_read_is_refused(api: httpx.AsyncClient, operation: Operation) -> None:
    """It may have been meant as a condition: of a DELETE above all nothing may be overheard."""
    asked = operation.request(nothing())
    assert_problem(await api.request(**asked, json={"dry_run": True}), 422, "validation_error", "")
    assert_problem(await api.request(**asked), 404, "not_found")
    assert_problem(await api.request(**asked, json={}), 404, "not_found")


@pytest.mark.parametrize(
    ("host", "fields"),
    [
        ("evil.example", []),
        ("evil.example", ["X-Forwarded-Host: localhost", "X-Forwarded-For: 127.0.0.1"]),
        ("localhost:8000@evil.example", []),
    ],
)
async def test_a_foreign_host_is_refused_while_no_key_exists(port: int, host: str, fields: list[str]) -> None:
    for path in (TASKS, "/docs", "/health"):
        answer = await exchange(port, request(f"GET {path}", *fields, host=host))
        assert_raw_problem(answer, 403, "anonymous_not_allowed")
    assert (await exchange(port, request("GET /health/live", host=host))).status == 200


async def test_a_request_id_is_taken_if_it_is_one_and_made_otherwise(port: int) -> None:
    taken = await exchange(port, request("GET /health/live", "X-Request-ID: a.B-9_z"))
    assert taken.headers["x-request-id"] == "a.b-9_z"  # lower-cased by the test's reader
    for bad in ("", "a b", "é", "x" * 129):
        made = await exchange(port, request("GET /health/live", f"X-Request-ID: {bad}"))
        assert UUID(made.headers["x-request-id"]).version == 7


async def test_a_client_that_leaves_takes_its_waiter_along(port: int, stores: Stores) -> None:
    created = await exchange(port, posted(TASKS, orjson.dumps(SUM)))
    task_id = UUID(created.json["id"])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(f"GET {TASKS}/{task_id}?wait=60"))
    async with asyncio.timeout(10):
        while task_id not in stores.finals._waiters:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
        writer.close()
        while stores.finals._waiters:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", TASKS, "GET, HEAD, POST"),
        ("DELETE", f"{TASKS}/x", "GET, HEAD"),
        ("GET", f"{TASKS}/x/cancel", "POST"),
        ("PATCH", "/api/v1/files/x", "DELETE, GET, HEAD"),
        ("POST", "/health/live", "GET, HEAD"),
        ("POST", "/docs", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(
    api: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    answer = await api.request(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allow


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/", "/api/v1/tasks/", "/api/v1/nothing", "/docs/x", "/api/v2"])
async def test_an_unknown_path_is_a_404(api: httpx.AsyncClient, path: str) -> None:
    assert_problem(await api.get(path), 404, "not_found")
