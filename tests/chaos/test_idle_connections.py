"""Thousands of connections that ask for nothing, to the API as each of its commands runs it, with the limits it has."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import httpx
import pytest

from service.slow_clients import ClientLimits
from tests.chaos.conftest import Stage
from tests.support.processes import Child

SILENT, HALF = 2_000, 500
LIMITS = ClientLimits()
LATE = 3 * LIMITS.head_seconds
HALF_A_HEAD = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Half:"

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def started(stage: Stage, command: str) -> Child:
    """The API, by our command line or by uvicorn's."""
    service = stage.service
    if command == "uvicorn":
        return service.processes.api(service.port, service.env)
    return service.processes.taskrunner("api", "--port", str(service.port), env=service.env)


async def opened(stack: AsyncExitStack, port: int, begun: bytes) -> Connection:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    stack.callback(writer.transport.abort)
    writer.write(begun)
    return reader, writer


async def to_its_end(connection: Connection) -> bytes:
    try:
        return await connection[0].read()
    except ConnectionError:
        return b""


@pytest.mark.chaos
@pytest.mark.timeout(300)
@pytest.mark.parametrize("command", ["uvicorn", "taskrunner"])
async def test_who_asks_is_served_beside_thousands_who_do_not_and_those_are_ended(stage: Stage, command: str) -> None:
    api = started(stage, command)
    await api.wait_for_http(f"{stage.service.url}/health/ready", timeout=90)
    async with AsyncExitStack() as stack, httpx.AsyncClient(base_url=stage.service.url, timeout=30) as http:
        begun = [b""] * SILENT + [HALF_A_HEAD] * HALF
        held = [await opened(stack, stage.service.port, each) for each in begun]
        ending = asyncio.gather(*map(to_its_end, held))
        answered = 0
        async with asyncio.timeout(LATE):
            while not ending.done():
                body = {"type": "simple_calculation", "input": {"a": 1, "b": 2, "operation": "add"}}
                assert (await http.post("/api/v1/tasks", json=body)).status_code == 201
                answered += 1
                await asyncio.sleep(0.1)
        told = await ending
    assert answered > 0
    assert sum(answer.startswith(b"HTTP/1.1 408") for answer in told) == HALF
    assert told.count(b"") == SILENT
    assert "slow_clients_cut" in api.output
