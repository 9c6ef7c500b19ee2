"""The API as production starts it guards its connections: its server knows nothing of us before it runs."""

from __future__ import annotations

import asyncio

from tests.e2e.conftest import Service

ENDLESS = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 400_000


async def test_a_head_without_an_end_is_refused(service: Service) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        writer.write(ENDLESS)
        async with asyncio.timeout(20):
            assert (await reader.readline()).startswith(b"HTTP/1.1 431")
    finally:
        writer.transport.abort()
