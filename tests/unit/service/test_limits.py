"""What no head announces is checked as it comes: HTTP/2 needs neither a length nor a transfer coding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from service.middleware.limits import BODY_BYTES, Limits
from service.problems import Problem

JSON = [(b"content-type", b"application/json")]


async def read_through(headers: list[tuple[bytes, bytes]], *pieces: bytes) -> bytes:
    """What a route reads of a POST with these ``headers``, a message a piece."""
    messages: Iterator[Message] = iter(
        [*({"type": "http.request", "body": p, "more_body": True} for p in pieces), {"type": "http.request"}]
    )
    got: list[bytes] = []

    async def receive() -> Message:
        return next(messages)

    async def route(_: Scope, receive: Receive, __: Send) -> None:
        while (message := await receive()).get("more_body"):
            got.append(message["body"])

    async def send(_: Message) -> None: ...

    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/api/v1/tasks", "query_string": b""}
    await Limits(route, max_upload_bytes=1)({**scope, "headers": headers}, receive, send)
    return b"".join(got)


async def test_a_body_without_a_length_is_read() -> None:
    assert await read_through(JSON, b"{", b"}") == b"{}"


@pytest.mark.parametrize("headers", [[], [(b"content-type", b"text/plain")]], ids=str)
async def test_a_body_without_a_length_needs_its_media_type(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Problem) as refused:
        await read_through(headers, b"", b"{}")
    assert refused.value.code == "unsupported_media_type"


async def test_no_body_needs_no_media_type() -> None:
    assert await read_through([], b"") == b""


async def test_a_body_without_a_length_is_counted() -> None:
    with pytest.raises(Problem) as refused:
        await read_through(JSON, b" " * BODY_BYTES, b" ")
    assert refused.value.code == "payload_too_large"
