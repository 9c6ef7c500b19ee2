"""The AI of any server that speaks OpenAI's chat completions: hosted, vLLM, Ollama, llama.cpp.

It asks for a stream, always: tokens reach the browser as they come, and silence is noticed.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from pydantic import ValidationError

from shared.domain.errors import ConfigurationError, Fatal, ProviderUnavailable
from shared.domain.run import ChatMessage, Completion, Usage
from shared.outbound import parse_retry_after
from shared.telemetry.current import outgoing
from worker.providers.openai_wire import Chunk, Counts, ProviderRefused, refusal, stream_status
from worker.providers.sse import MalformedStream, event_data
from worker.providers.traced import chatting

# Read: the silence allowed before and between chunks. Connections are bounded by the worker's slots.
TIMEOUT = httpx.Timeout(connect=5.0, read=60.0, write=30.0, pool=5.0)
LIMITS = httpx.Limits(max_connections=1_000, max_keepalive_connections=20)
MAX_ANSWER_BYTES = 64 * 1_048_576
MAX_ERROR_BYTES = 65_536
MAX_IMAGE_BYTES = 20 * 1_048_576

OnDelta = Callable[[str], None]


def provider_client(base_url: str, api_key: str = "", *, trust_env: bool = True) -> httpx.AsyncClient:
    """A client for the server at ``base_url``, which is taken as it is given (with or without /v1).

    Raises:
        ConfigurationError: the key cannot stand in a header.
    """
    headers = {"Accept": "text/event-stream, application/json", "Accept-Encoding": "identity"}
    if api_key:
        if not (api_key.isascii() and api_key.isprintable()):
            raise ConfigurationError("TASKRUNNER_AI_API_KEY: must be printable ASCII")
        headers["Authorization"] = f"Bearer {api_key}"
    return httpx.AsyncClient(base_url=base_url, headers=headers, timeout=TIMEOUT, limits=LIMITS, trust_env=trust_env)


class OpenAICompatible:
    """Chat completions over ``client``; ``model`` is asked for where a call names none.

    ``provider`` is what traces call it: by convention the one whose API is spoken.
    """

    # Only the model knows. One that can't see refuses the picture, and the task type goes on without.
    has_vision = True

    def __init__(
        self, client: httpx.AsyncClient, *, model: str | None = None, secret: str = "", provider: str = "openai"
    ) -> None:
        self._client = client
        self._model = model
        self._secret = secret
        self._provider = provider

    async def close(self) -> None:
        await self._client.aclose()

    async def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        on_delta: OnDelta | None = None,
    ) -> Completion:
        turns = [{"role": turn.role, "content": turn.content} for turn in messages]
        body = {"messages": turns, "model": model, "max_tokens": max_tokens, "temperature": temperature}
        try:
            return await self._complete(body, on_delta)
        except ProviderRefused as refused:
            # OpenAI's newer models know the limit by another name, which older servers don't.
            if max_tokens is None or "max_completion_tokens" not in str(refused):
                raise
            del body["max_tokens"]
            return await self._complete({**body, "max_completion_tokens": max_tokens}, on_delta)

    async def describe_image(
        self, path: Path, media_type: str, question: str, *, model: str | None = None
    ) -> Completion:
        encoded = await asyncio.to_thread(_encode, path)
        content = [
            {"type": "text", "text": question},
            {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{encoded}"}},
        ]
        return await self._complete({"messages": [{"role": "user", "content": content}], "model": model}, None)

    async def _complete(self, body: dict[str, Any], on_delta: OnDelta | None) -> Completion:
        body = {**body, "model": body["model"] or self._model}
        wanted = {name: value for name, value in body.items() if value is not None}
        content = json.dumps({**wanted, "stream": True, "stream_options": {"include_usage": True}}).encode()
        answer = _Answer(body["model"] or "unknown", self._secret, on_delta)
        with chatting(self._provider, self._client.base_url, body) as note:
            await self._exchange(content, answer)
            completion = answer.completion()
            note(completion)
        return completion

    async def _exchange(self, content: bytes, answer: _Answer) -> None:
        """Send ``content``, and have ``answer`` read what comes. Raises as ``generate`` does."""
        headers = {"Content-Type": "application/json", **outgoing()}
        try:
            async with self._client.stream("POST", "chat/completions", content=content, headers=headers) as response:
                await self._raise_for_status(response)
                await answer.read(response)
        except httpx.HTTPError as error:
            raise ProviderUnavailable(f"the connection to the AI provider failed: {type(error).__name__}") from error
        except (MalformedStream, ValidationError) as error:
            # Without its cause: a validation error quotes what it read, and that is the user's.
            raise ProviderUnavailable(f"the AI provider's answer makes no sense: {type(error).__name__}") from None

    async def _raise_for_status(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        wait = parse_retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
        text = (await _read(response, MAX_ERROR_BYTES)).decode("utf-8", "replace")
        try:
            error = json.loads(text)
        except ValueError:
            error = text
        raise refusal(response.status_code, error, secret=self._secret, retry_after=wait)


class _Answer:
    """An answer as it comes together."""

    def __init__(self, model: str, secret: str, on_delta: OnDelta | None) -> None:
        self._model = model
        self._secret = secret
        self._on_delta = on_delta
        self._pieces: list[str] = []
        self._usage = Usage(0, 0, 0)
        self._finish_reason: str | None = None
        self._is_complete = False

    async def read(self, response: httpx.Response) -> None:
        """Take in the whole answer, streamed or (from a server that can't stream) in one piece."""
        if response.headers.get("Content-Type", "").startswith("application/json"):
            self._take(Chunk.model_validate_json(await _read(response, MAX_ANSWER_BYTES)))
            return
        received = 0
        async for data in event_data(response.aiter_bytes()):
            received += len(data)
            if received > MAX_ANSWER_BYTES:
                raise Fatal("the AI provider's answer has no end")
            if data == b"[DONE]":
                self._is_complete = True
                return
            self._take(Chunk.model_validate_json(data))

    def completion(self) -> Completion:
        if not self._is_complete:
            raise ProviderUnavailable("the AI provider's answer broke off")
        return Completion("".join(self._pieces), self._model, self._finish_reason, self._usage)

    def _take(self, chunk: Chunk) -> None:
        if chunk.error:
            raise refusal(stream_status(chunk.error), chunk.error, secret=self._secret)
        self._model = chunk.model or self._model
        self._count(chunk.usage)
        for choice in (chunk.choices or [])[:1]:
            piece = choice.delta or choice.message
            if piece is not None and piece.content:
                self._pieces.append(piece.content)
                if self._on_delta is not None:
                    self._on_delta(piece.content)
            if choice.finish_reason is not None:
                # Some servers end without [DONE]; usage may still follow.
                self._finish_reason, self._is_complete = choice.finish_reason, True

    def _count(self, counts: Counts | None) -> None:
        if counts is not None:
            self._usage = counts.usage()


async def _read(response: httpx.Response, limit: int) -> bytes:
    """The body, at most about ``limit`` bytes of it."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= limit:
            break
    return bytes(body)


def _encode(path: Path) -> str:
    if path.stat().st_size > MAX_IMAGE_BYTES:
        raise Fatal(f"the image is larger than {MAX_IMAGE_BYTES} bytes: too large to be described")
    return base64.b64encode(path.read_bytes()).decode("ascii")
