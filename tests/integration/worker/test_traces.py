"""Where no spans are made the submitter's trace goes on: to what a handler calls, and into the lines of its run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.domain.run import ChatMessage
from shared.outbound import download
from shared.telemetry.current import CARRIED
from tests.integration.worker.conftest import Bench
from tests.support.ai_server import AIServer, answered
from worker.providers.openai_compatible import OpenAICompatible, provider_client

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.fixture
async def server() -> AsyncIterator[AIServer]:
    async with AIServer() as server:
        yield server


@contextmanager
def carrying(traceparent: str) -> Iterator[None]:
    token = CARRIED.set(traceparent)
    try:
        yield
    finally:
        CARRIED.reset(token)


async def test_a_handler_finds_the_trace_of_its_submit(bench: Bench) -> None:
    execution = await bench.execution("returns", "trace", traceparent=GOOD)
    assert (await bench.finish(execution)).result == {"value": {"traceparent": GOOD}}
    assert {name: execution.facts()[name] for name in ("trace_id", "span_id")} == {"trace_id": TRACE, "span_id": SPAN}


async def test_without_a_trace_nothing_is_said_of_one(bench: Bench) -> None:
    execution = await bench.execution("returns", "trace")
    assert (await bench.finish(execution)).result == {"value": {}}
    assert {"trace_id", "span_id"}.isdisjoint(execution.facts())


async def test_the_model_is_told_of_the_trace(server: AIServer) -> None:
    ai = OpenAICompatible(provider_client(server.base_url))
    await ai.generate([ChatMessage("user", "Hello")])
    with carrying(GOOD):
        await ai.generate([ChatMessage("user", "Hello")])
    await ai.close()
    assert [headers.get("traceparent") for headers in server.headers] == [None, GOOD]


async def test_the_server_of_a_download_is_told_of_the_trace(server: AIServer, tmp_path: Path) -> None:
    server.script(answered(200, b"a picture"))
    url = server.base_url.replace("/v1", "/picture")
    with carrying(GOOD):
        await download(url, tmp_path / "picture", allow=["127.0.0.1"], max_bytes=100)
    assert server.headers[0]["traceparent"] == GOOD
