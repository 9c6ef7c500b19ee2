"""HTTP as an attacker writes it: what is ambiguous is refused, once, and the connection ends; nothing is reflected."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest
import pytest_asyncio
from fastapi import FastAPI

from shared.queue.keys import authenticate
from shared.queue.stores import Stores
from tests.integration.api.conftest import SUM, assert_problem
from tests.integration.api.operations import OPERATIONS, UNKNOWN, Operation
from tests.integration.api.served import exchange, posted, request, served
from tests.support.keys import Made, bearer

TASKS = "/api/v1/tasks"
SECONDS = 20.0
LAST = request("GET /health/live", "Connection: close")
JSON = "Content-Type: application/json"
BODY = orjson.dumps(SUM)
CHUNKED_BODY = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest_asyncio.fixture
async def port(app: FastAPI) -> AsyncIterator[int]:
    async with served(app) as port:
        yield port


async def told(port: int, *pieces: bytes) -> bytes:
    """All that the API answers to ``pieces``, until it ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        for piece in pieces:
            writer.write(piece)
        async with asyncio.timeout(SECONDS):
            while more := await reader.read(65_536):
                answer += more
    except ConnectionError:
        pass  # it was ended before all was read
    finally:
        writer.close()
    return answer


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def raw(line: str, *fields: str, body: bytes = b"") -> bytes:
    """A request with these fields and no other."""
    return "\r\n".join([line, *fields, "", ""]).encode("latin-1") + body


HOST = "Host: localhost"
POST = f"POST {TASKS} HTTP/1.1"
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
AMBIGUOUS = {
    "a length and a transfer coding": raw(POST, HOST, JSON, LENGTH, CHUNKED, body=CHUNKED_BODY),
    "a transfer coding and a length": raw(POST, HOST, JSON, CHUNKED, LENGTH, body=CHUNKED_BODY),
    "two lengths": raw(POST, HOST, JSON, LENGTH, "Content-Length: 5", body=BODY),
    "two lengths in one": raw(POST, HOST, JSON, f"{LENGTH}, 5", body=BODY),
    "a length with a sign": raw(POST, HOST, JSON, f"Content-Length: +{len(BODY)}", body=BODY),
    "a negative length": raw(POST, HOST, JSON, "Content-Length: -1", body=BODY),
    "a length in hex": raw(POST, HOST, JSON, "Content-Length: 0x10", body=BODY),
    "a length that overflows": raw(POST, HOST, JSON, f"Content-Length: {2**64 + len(BODY)}", body=BODY),
    "an unknown transfer coding": raw(POST, HOST, JSON, "Transfer-Encoding: xchunked", body=CHUNKED_BODY),
    "chunked is not the last": raw(POST, HOST, JSON, "Transfer-Encoding: chunked, identity", body=CHUNKED_BODY),
    "a disguised transfer coding": raw(POST, HOST, JSON, "Transfer-Encoding:\x0bchunked", LENGTH, body=BODY),
    "a field with a blank before its colon": raw(POST, HOST, JSON, f"Content-Length : {len(BODY)}", body=BODY),
    "a folded field": raw(POST, HOST, JSON, LENGTH, "X-Folded: a\r\n b", body=BODY),
    "a NUL in a field": raw(POST, HOST, JSON, LENGTH, "X-Nul: a\x00b", body=BODY),
    "a bare CR in a field": raw(POST, HOST, JSON, LENGTH, "X-Cr: a\rb", body=BODY),
    "a chunk longer than it says": raw(POST, HOST, JSON, CHUNKED, body=b"2\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a chunk of a negative size": raw(POST, HOST, JSON, CHUNKED, body=b"-1\r\n" + BODY),
    "a chunk whose size overflows": raw(POST, HOST, JSON, CHUNKED, body=b"fffffffffffffffff\r\n" + BODY),
    "a chunk of no size": raw(POST, HOST, JSON, CHUNKED, body=b"\r\n" + BODY),
    "no method": raw(f" {TASKS} HTTP/1.1", HOST),
    "an unknown method": raw(f"STEAL {TASKS} HTTP/1.1", HOST),
    "a blank in the target": raw(f"GET {TASKS} x HTTP/1.1", HOST),
    "no version": raw(f"GET {TASKS}", HOST),
    "HTTP/2 without a word": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a connection to elsewhere": raw("CONNECT evil.example:443 HTTP/1.1", "Host: evil.example:443"),
    "TLS": bytes.fromhex("16030100c8010000c40303") + bytes(180),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_what_two_readers_could_take_differently_is_refused_and_ends_the_connection(port: int, name: str) -> None:
    answer = await told(port, AMBIGUOUS[name], LAST)
    assert statuses(answer) == [400], answer
    assert b"application/problem+json" in answer
    assert b"connection: close" in answer


TWINS = {
    "no Host": raw(f"GET {TASKS} HTTP/1.1"),
    "two Hosts": raw(f"GET {TASKS} HTTP/1.1", HOST, HOST),
    "two keys": raw(f"GET {TASKS} HTTP/1.1", HOST, "Authorization: Bearer a", "Authorization: Bearer b"),
    "two types": raw(POST, HOST, LENGTH, JSON, "Content-Type: text/plain", body=BODY),
    "two codings": raw(POST, HOST, LENGTH, JSON, "Content-Encoding: gzip", "Content-Encoding: identity", body=BODY),
    "two keys of a repeat": raw(POST, HOST, LENGTH, JSON, "Idempotency-Key: a", "Idempotency-Key: b", body=BODY),
}


@pytest.mark.parametrize("name", TWINS)
async def test_a_field_that_counts_stands_there_once(port: int, name: str) -> None:
    answer = await told(port, TWINS[name], LAST)
    assert statuses(answer) == [400, 200], answer
    assert b'"code":"bad_request"' in answer


async def test_a_chunked_body_is_read_whatever_its_pieces_and_extensions(port: int) -> None:
    pieces = b"".join(b"1;x=y\r\n%c\r\n" % byte for byte in BODY) + b"0;last\r\n\r\n"
    assert statuses(await told(port, raw(POST, HOST, JSON, CHUNKED, body=pieces), LAST)) == [201, 200]


async def test_fields_behind_a_body_are_no_header_fields(port: int, admin: Made) -> None:
    forged = f"X-Request-ID: forged\r\nAuthorization: Bearer {admin.token}\r\n\r\n".encode()
    body = CHUNKED_BODY[:-2] + forged
    answer = await told(port, raw(POST, HOST, JSON, CHUNKED, body=body), LAST)
    assert statuses(answer) == [401, 200]
    assert b"forged" not in answer


async def test_a_body_shorter_than_its_length_makes_no_task(port: int, api: httpx.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw(POST, HOST, JSON, f"Content-Length: {len(BODY) + 1}", body=BODY))
    writer.write_eof()
    async with asyncio.timeout(SECONDS):
        assert await reader.read() == b""
    writer.close()
    assert (await api.get(TASKS)).json()["data"] == []


@pytest.mark.parametrize("upgrade", ["websocket", "h2c"])
async def test_nothing_is_upgraded(port: int, upgrade: str) -> None:
    fields = (f"Upgrade: {upgrade}", "Connection: Upgrade", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
              "Sec-WebSocket-Version: 13", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")  # fmt: skip
    assert (await exchange(port, request("GET /health/live", *fields))).status == 200


async def test_a_target_in_absolute_form_widens_nothing(port: int) -> None:
    for target, host, status in (
        ("http://localhost/api/v1/tasks", "localhost", 200),
        ("http://evil.example/api/v1/tasks", "evil.example", 403),
        ("http://localhost/api/v1/tasks", "evil.example", 403),
    ):
        assert (await exchange(port, request(f"GET {target}", host=host))).status == status, target


@pytest.mark.parametrize("target", ["*", "//evil.example/health", "/../health/live", "/%2e%2e/health/live", "/\\evil"])
async def test_odd_targets_are_nowhere(port: int, target: str) -> None:
    answer = await exchange(port, request(f"GET {target}"))
    assert (answer.status, answer.json["code"]) == (404, "not_found")
    assert "location" not in answer.headers


LINE_BREAK = "%0d%0aSet-Cookie:%20x=1%0d%0a%0d%0a<script>"


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (f"GET {TASKS}?limit=1&tag={LINE_BREAK}", "X: 1"),
        (f"GET /{LINE_BREAK}", "X: 1"),
        (f"GET {TASKS}?cursor={LINE_BREAK}", "X: 1"),
        (f"GET {TASKS}", f"X-Request-ID: a{LINE_BREAK}"),
        (f"GET {TASKS}", "X-Request-ID: <script>"),
        (f"GET {TASKS}", "Prefer: wait=1; x=<script>"),
        (f"GET {TASKS}", "Origin: https://<script>"),
    ],
)
async def test_no_answer_carries_a_line_or_a_field_of_the_callers_making(port: int, line: str, field: str) -> None:
    [head, *_] = (await told(port, request(line, field, "Connection: close"))).split(b"\r\n\r\n")
    assert b"set-cookie" not in head.lower()
    assert b"<script>" not in head


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "a\tb", "a\x7f"])
async def test_an_idempotency_key_is_printable_or_refused(port: int, key: str) -> None:
    answer = await exchange(port, posted(TASKS, BODY, f"Idempotency-Key: {key}"))
    assert (answer.status, answer.json["code"]) in {(400, "invalid_idempotency_key"), (400, "bad_request")}


NAMES = ["%00", "a%00b", "%ff", "%ed%a0%80", "..%2f..%2fetc%2fpasswd", "%0d%0aX:%20y", "%F0%9F%92%A9", "x" * 4_000]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:12])
async def test_no_name_in_a_path_is_more_than_unknown(api: httpx.AsyncClient, admin: Made, name: str) -> None:
    wrong = {}
    for operation in (o for o in OPERATIONS if o.names and not o.streams):
        asked = {**operation.request(dict.fromkeys(operation.names, "x"))}
        path = operation.path.format_map(dict.fromkeys(operation.names, name))
        answer = await api.request(**{**asked, "url": httpx.URL(api.base_url).join(path)}, headers=admin.headers)
        if answer.status_code not in {404, 422}:
            wrong[str(operation)] = (answer.status_code, answer.text)
    assert wrong == {}


VALUES = ["%00", "%ff", "%ed%a0%80", "9" * 400, "-1", "x" * 7_000, "1e999", "0001-01-01T00:00:00Z"]


def queries(operation: Operation) -> list[str]:
    return [p["name"] for p in operation.does.get("parameters", ()) if p["in"] == "query"]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value[:12])
async def test_no_value_in_a_query_is_our_fault(api: httpx.AsyncClient, admin: Made, value: str) -> None:
    wrong: dict[str, Any] = {}
    for operation in (o for o in OPERATIONS if o.method == "GET" and not o.streams):
        for name in queries(operation):
            path = operation.path.format_map({each: UNKNOWN.get(each, "x") for each in operation.names})
            answer = await api.get(f"{path}?{name}={value}", headers=admin.headers)
            if answer.status_code >= 500:
                wrong[f"{operation} {name}"] = answer.text
    assert wrong == {}


@pytest.mark.parametrize("cursor", ["x" * 8_000, "%00", "A" * 32, "=" * 400, "%2e%2e%2f"])
async def test_a_cursor_of_any_length_is_forged(api: httpx.AsyncClient, cursor: str) -> None:
    assert_problem(await api.get(f"{TASKS}?cursor={cursor}"), 400, "invalid_cursor")


async def test_a_secret_is_compared_whole_whether_its_key_is_known_or_not(
    stores: Stores, admin: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []
    constant = hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return constant(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    for token in (f"trk_{admin.id}.{'x' * 43}", f"trk_{'z' * 12}.{'x' * 43}", admin.token):
        assert (await authenticate(stores, token) is None) is (token != admin.token)
    assert compared == [(32, 32)] * 3


async def test_a_wrong_and_an_ended_key_differ_from_none_in_nothing(port: int, admin: Made) -> None:
    """Header by header, beside the request's id and the clock."""
    seen = set()
    for headers in ({}, bearer("x"), bearer(admin.token[:-1] + "~"), bearer(f"trk_{'a' * 12}.{'b' * 43}")):
        fields = [f"{name}: {value}" for name, value in headers.items()]
        answer = await exchange(port, request(f"GET {TASKS}", *fields))
        kept = {k: v for k, v in answer.headers.items() if k not in {"x-request-id", "date"}}
        seen.add((answer.status, str(kept), str({**answer.json, "request_id": ""})))
    assert len(seen) == 1
    assert seen.pop()[0] == 401
