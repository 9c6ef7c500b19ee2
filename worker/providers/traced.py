"""The span of a call of a language model, by the semantic conventions for generative AI: never what was said."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.telemetry.current import TRACING

if TYPE_CHECKING:
    import httpx

    from shared.domain.run import Completion

ASKED = {
    "model": "gen_ai.request.model",
    "max_tokens": "gen_ai.request.max_tokens",
    "max_completion_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
}


@contextmanager
def chatting(provider: str, url: httpx.URL, body: Mapping[str, Any]) -> Iterator[Callable[[Completion], None]]:
    """A CLIENT span over one request for a completion; it gives what is to be called with the answer."""
    tracer = TRACING.tracer
    if tracer is None:
        yield _ignored
        return
    attributes: dict[str, Any] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "server.address": url.host,
        **({"server.port": url.port} if url.port else {}),
        **{ASKED[name]: value for name, value in body.items() if name in ASKED and value is not None},
    }
    with tracer.child(f"chat {body.get('model') or ''}".rstrip(), "CLIENT", attributes) as span:
        yield lambda completion: span.note(_answered(completion))


def _ignored(_: Completion) -> None:
    """No spans are made."""


def _answered(completion: Completion) -> dict[str, Any]:
    return {
        "gen_ai.response.model": completion.model,
        "gen_ai.usage.input_tokens": completion.usage.prompt_tokens,
        "gen_ai.usage.output_tokens": completion.usage.completion_tokens,
        **({"gen_ai.response.finish_reasons": [completion.finish_reason]} if completion.finish_reason else {}),
    }
