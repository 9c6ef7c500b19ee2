"""HEAD: the status and the header fields of the GET, and not a byte more."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from shared.metrics import HTTP_REQUESTS
from tests.integration.api.conftest import LOOPBACK_URL
from tests.integration.api.operations import OPERATIONS, nothing
from tests.integration.api.served import READ_SECONDS, request, served
from tests.support.keys import Made

READS = [operation for operation in OPERATIONS if operation.method == "GET"]
OF_EACH = {"date", "x-request-id", "content-length", "etag", "ratelimit"}
"""What two answers may differ in: a heartbeat has passed between them."""


def lasting(answer: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in OF_EACH}


async def test_every_get_answers_head_the_same(app: FastAPI, admin: Made, theirs: dict[str, str]) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOOPBACK_URL) as api:
        for operation in READS:
            for values in (theirs, nothing()):
                path = operation.path.format_map(values)
                head = await api.head(path, headers=admin.headers)
                assert head.content == b"", path
                if operation.streams and head.status_code == 200:
                    assert head.headers["content-type"].startswith("text/event-stream")
                    continue  # the GET would not end
                get = await api.get(path, headers=admin.headers)
                assert (head.status_code, lasting(head)) == (get.status_code, lasting(get)), path
                assert set(head.headers) == set(get.headers), path


@pytest.mark.parametrize("path", ["/", "/dashboard/js/main.js", "/docs", "/openapi.json", "/health/live", "/health"])
async def test_a_connection_serves_on_behind_a_head(app: FastAPI, path: str) -> None:
    """Over a socket: a body where none may be would be taken for the next answer."""
    async with served(app) as port, asyncio.timeout(READ_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(f"HEAD {path}") + request(f"GET {path}"))
        heads = [await reader.readuntil(b"\r\n\r\n") for _ in range(2)]
        writer.close()
    assert [head.split(b" ", 2)[:2] for head in heads] == [[b"HTTP/1.1", b"200"]] * 2
    assert int(heads[0].lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]) > 0


async def test_a_head_of_a_stream_ends(app: FastAPI) -> None:
    async with served(app) as port, asyncio.timeout(READ_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("HEAD /api/v1/events", "Connection: close"))
        told = await reader.read()
        writer.close()
        while app.state.house.streams.open:  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    assert told.startswith(b"HTTP/1.1 200")
    assert told.endswith(b"\r\n\r\n")


async def test_a_head_takes_the_key_that_its_get_takes(app: FastAPI, admin: Made) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOOPBACK_URL) as api:
        assert (await api.head("/api/v1/tasks")).status_code == 401
        assert (await api.head("/api/v1/tasks", headers=admin.headers)).status_code == 200
        refused = await api.head("/api/v1/tasks/batch/nothing", headers=admin.headers)
        assert refused.status_code == 404


async def test_what_takes_no_get_takes_no_head(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOOPBACK_URL) as api:
        answer = await api.head("/api/v1/tasks/x/cancel")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


async def test_requests_are_counted_as_what_they_were(app: FastAPI) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOOPBACK_URL) as api:
        before = HTTP_REQUESTS.counts["HEAD", "/health/live", "200"]
        await api.head("/health/live")
    assert HTTP_REQUESTS.counts["HEAD", "/health/live", "200"] == before + 1
