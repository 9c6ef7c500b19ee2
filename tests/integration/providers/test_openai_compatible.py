"""The client against a real HTTP server, in every way such a server answers or fails to."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.domain.errors import ConfigurationError, Fatal, ProviderUnavailable
from shared.domain.run import ChatMessage, Usage
from shared.settings import load_settings
from tests.support.ai_server import MODEL, AIServer, Reply, answered, cut_after, raw_stream, silent, streamed
from worker.providers import openai_compatible
from worker.providers.ai import make_ai, what_is_lacking
from worker.providers.openai_compatible import OpenAICompatible, provider_client

KEY = "sk-test-0123456789"
PROMPT = [ChatMessage("user", "Say hello")]


@pytest.fixture
async def server() -> AsyncIterator[AIServer]:
    async with AIServer() as server:
        yield server


@pytest.fixture
async def ai(server: AIServer) -> AsyncIterator[OpenAICompatible]:
    ai = OpenAICompatible(provider_client(server.base_url, KEY), model="default-model", secret=KEY)
    yield ai
    await ai.close()


async def test_an_answer_streams_and_is_returned_whole_with_its_usage(server: AIServer, ai: OpenAICompatible) -> None:
    server.script(streamed("量子", "\u2028", "🙂 line\nbreak"))
    deltas: list[str] = []
    answer = await ai.generate(PROMPT, on_delta=deltas.append)
    assert deltas == ["量子", "\u2028", "🙂 line\nbreak"]
    assert answer.text == "".join(deltas)
    assert (answer.model, answer.finish_reason, answer.usage) == (MODEL, "stop", Usage(7, 3, 10))


async def test_the_request_says_what_was_asked_and_nothing_that_was_not(server: AIServer, ai: OpenAICompatible) -> None:
    await ai.generate([ChatMessage("system", "Be brief"), *PROMPT], model="m-1", max_tokens=5, temperature=0.0)
    await ai.generate(PROMPT)
    full, bare = server.requests
    streaming = {"stream": True, "stream_options": {"include_usage": True}}
    turns = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Say hello"}]
    assert full == {"messages": turns, "model": "m-1", "max_tokens": 5, "temperature": 0.0, **streaming}
    assert bare == {"messages": turns[1:], "model": "default-model", **streaming}
    assert server.paths[0] == "POST /v1/chat/completions HTTP/1.1"
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(("suffix", "path"), [("", "/v1"), ("/", "/v1"), ("/deep/er/", "/v1/deep/er")])
async def test_the_base_url_is_used_as_given(server: AIServer, suffix: str, path: str) -> None:
    ai = OpenAICompatible(provider_client(server.base_url + suffix))
    await ai.generate(PROMPT)
    await ai.close()
    assert server.paths == [f"POST {path}/chat/completions HTTP/1.1"]
    assert "authorization" not in server.headers[0]
    assert "model" not in server.requests[0]


async def test_an_image_goes_as_a_data_url(server: AIServer, ai: OpenAICompatible, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG not really")
    answer = await ai.describe_image(picture, "image/png", "What is it?", model="eyes")
    assert answer.text == "Hello, world"
    (message,) = server.requests[0]["messages"]
    url = message["content"][1]["image_url"]["url"]
    assert message["content"][0] == {"type": "text", "text": "What is it?"}
    assert base64.b64decode(url.removeprefix("data:image/png;base64,")) == picture.read_bytes()
    assert server.requests[0]["model"] == "eyes"


async def test_an_image_too_large_to_send_is_refused_unsent(
    server: AIServer, ai: OpenAICompatible, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_compatible, "MAX_IMAGE_BYTES", 10)
    (tmp_path / "big.png").write_bytes(b"x" * 11)
    with pytest.raises(Fatal, match="too large"):
        await ai.describe_image(tmp_path / "big.png", "image/png", "What is it?")
    assert server.requests == []


WHOLE = {"model": "m", "choices": [{"message": {"content": "all at once"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("reply", "text", "usage"),
    [
        (streamed("no usage", usage=None), "no usage", Usage(0, 0, 0)),
        (streamed("no total", usage={"prompt_tokens": 2, "completion_tokens": 5}), "no total", Usage(2, 5, 7)),
        (streamed("nulls", usage={"prompt_tokens": None, "total_tokens": None}), "nulls", Usage(0, 0, 0)),
        (streamed("no [DONE]", done=False), "no [DONE]", Usage(7, 3, 10)),
        (answered(200, WHOLE), "all at once", Usage(0, 0, 0)),
        (
            answered(200, {**WHOLE, "usage": {"prompt_tokens": 1, "completion_tokens": 1}}),
            "all at once",
            Usage(1, 1, 2),
        ),
        (
            raw_stream(
                b': ping\r\n\r\nevent: message\r\ndata:{"choices":[{"delta":{"content":"crlf"}}],',
                b'\r\ndata: "usage":null}\r\n\r\ndata: [DONE]',
            ),
            "crlf",
            Usage(0, 0, 0),
        ),
        (raw_stream(b'data: {"choices":null}\n\ndata: [DONE]\n\n'), "", Usage(0, 0, 0)),
    ],
)
async def test_what_servers_leave_out_is_made_do_without(
    server: AIServer, ai: OpenAICompatible, reply: Reply, text: str, usage: Usage
) -> None:
    server.script(reply)
    deltas: list[str] = []
    answer = await ai.generate(PROMPT, on_delta=deltas.append)
    assert (answer.text, answer.usage) == (text, usage)
    assert "".join(deltas) == text


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 529])
async def test_a_status_that_may_pass_is_worth_a_retry(server: AIServer, ai: OpenAICompatible, status: int) -> None:
    server.script(answered(status, {"error": {"message": "later", "type": "busy"}}, {"Retry-After": "21"}))
    with pytest.raises(ProviderUnavailable, match=f"{status}: later") as raised:
        await ai.generate(PROMPT)
    assert raised.value.retry_after == timedelta(seconds=21)


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (400, {"error": {"message": "bad temperature", "type": "invalid_request_error"}}, "400: bad temperature"),
        (401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, r"401: .*provided: \*\*\*$"),
        (404, {"error": "model 'x' not found"}, "404: model 'x' not found"),
        (422, {"object": "error", "message": "too long"}, "422: too long"),
        (403, {"detail": "Forbidden"}, "403: Forbidden"),
        (400, b"<html>nginx</html>", "400: <html>nginx</html>"),
        (400, b"", "400: no reason given"),
        (400, b"\xff\x00", "400: "),
        (400, [1, 2], "400: "),
        (302, b"", "302: "),
        (418, {"error": {"message": "m" * 100_000}}, "418: m"),
    ],
)
async def test_any_other_refusal_is_final_and_keeps_the_key_to_itself(
    server: AIServer, ai: OpenAICompatible, status: int, body: Any, says: str
) -> None:
    server.script(answered(status, body))
    with pytest.raises(Fatal, match=says) as raised:
        await ai.generate(PROMPT)
    assert KEY not in str(raised.value)
    assert len(str(raised.value)) < 600


async def test_the_other_name_of_the_token_limit_is_tried_where_the_server_asks_for_it(
    server: AIServer, ai: OpenAICompatible
) -> None:
    message = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
    server.script(answered(400, {"error": {"message": message}}))
    assert (await ai.generate(PROMPT, max_tokens=9)).text == "Hello, world"
    assert server.requests[1]["max_completion_tokens"] == 9
    assert "max_tokens" not in server.requests[1]


def error_event(error: Any) -> Reply:
    return raw_stream(b'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n', f"data: {json.dumps(error)}\n\n".encode())


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ({"message": "overloaded", "type": "server_error"}, ProviderUnavailable),
        ({"message": "overloaded", "code": 503}, ProviderUnavailable),
        ("something", ProviderUnavailable),
        ({"message": "slow down", "code": 429, "type": "invalid_request_error"}, ProviderUnavailable),
        ({"message": "bad", "type": "invalid_request_error"}, Fatal),
        ({"message": "filtered", "code": "content_filter"}, Fatal),
        ({"message": f"bad {KEY}", "code": 400}, Fatal),
    ],
)
async def test_an_error_within_the_stream_is_judged_by_its_type(
    server: AIServer, ai: OpenAICompatible, error: Any, raised: type[Exception]
) -> None:
    server.script(error_event({"error": error}))
    with pytest.raises(raised) as caught:
        await ai.generate(PROMPT)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    "reply",
    [
        cut_after(),
        cut_after("Hel"),
        raw_stream(),
        raw_stream(b"data: {not json}\n\n"),
        raw_stream(b'data: {"choices":[{"delta":{"content":7}}]}\n\n'),
        raw_stream(b'data: {"choices":[{"delta":{"content":"Hel"}}]}\n\n'),
        raw_stream(b"data: \xff\xfe\n\n"),
        raw_stream(b"data: " + b"x" * 1_100_000),
        raw_stream(b"<html>a captive portal</html>"),
        answered(200, {"choices": []}),
        answered(200, {"unrelated": True}),
    ],
)
async def test_an_answer_that_breaks_off_or_makes_no_sense_is_worth_a_retry(
    server: AIServer, ai: OpenAICompatible, reply: Reply
) -> None:
    server.script(reply)
    with pytest.raises(ProviderUnavailable):
        await ai.generate(PROMPT)


async def test_an_endless_answer_is_given_up(
    server: AIServer, ai: OpenAICompatible, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_compatible, "MAX_ANSWER_BYTES", 2_000)
    server.script(streamed(*["and so on "] * 200))
    with pytest.raises(Fatal, match="no end"):
        await ai.generate(PROMPT)


@pytest.mark.parametrize("reply", [silent(), silent("Hel")])
async def test_silence_ends_in_a_time_out(server: AIServer, monkeypatch: pytest.MonkeyPatch, reply: Reply) -> None:
    monkeypatch.setattr(openai_compatible, "TIMEOUT", httpx.Timeout(5.0, read=0.2))
    ai = OpenAICompatible(provider_client(server.base_url))
    server.script(reply)
    with pytest.raises(ProviderUnavailable, match="ReadTimeout"):
        await ai.generate(PROMPT)
    await ai.close()


async def test_nobody_listening_is_unavailable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        ai = OpenAICompatible(provider_client(f"http://127.0.0.1:{held.getsockname()[1]}/v1"))
        with pytest.raises(ProviderUnavailable, match="ConnectError"):
            await ai.generate(PROMPT)
        await ai.close()


async def test_a_cancelled_call_lets_the_connection_go_and_the_next_one_works(
    server: AIServer, ai: OpenAICompatible
) -> None:
    server.script(silent("Hel"))
    first = asyncio.Event()
    call = asyncio.create_task(ai.generate(PROMPT, on_delta=lambda _: first.set()))
    async with asyncio.timeout(10):
        await first.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (await ai.generate(PROMPT)).text == "Hello, world"


async def test_settings_with_a_provider_make_its_client(server: AIServer) -> None:
    settings = load_settings(ai_base_url=server.base_url, ai_api_key=f" {KEY}\n", ai_model="chosen")
    ai = make_ai(settings)
    assert ai.has_vision
    assert what_is_lacking(settings) == {}
    await ai.generate(PROMPT)
    await ai.close()
    assert server.requests[0]["model"] == "chosen"
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines"])
def test_a_key_no_header_can_hold_stops_the_process_and_is_not_shown(key: str) -> None:
    with pytest.raises(ConfigurationError, match="AI_API_KEY") as raised:
        make_ai(load_settings(ai_base_url="http://127.0.0.1:1/v1", ai_api_key=key))
    assert key not in str(raised.value)
