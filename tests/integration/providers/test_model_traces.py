"""The span of a call of a model where that goes wrong: what it says, and what it never quotes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.domain.errors import ProviderUnavailable
from shared.domain.run import ChatMessage
from shared.telemetry.exporting import exporting
from tests.support.ai_server import AIServer, Reply, answered, cut_after
from tests.support.collector import Collector
from worker.providers.openai_compatible import OpenAICompatible, provider_client
from worker.providers.openai_wire import ProviderRefused

QUOTED = "the prompt, as providers quote it"
PROMPT = [ChatMessage("user", QUOTED)]
RENAMED = {"error": {"message": "max_tokens: use max_completion_tokens instead", "type": "invalid_request_error"}}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with Collector() as running:
        for name, value in running.env.items():
            monkeypatch.setenv(name, value)
        yield running


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answered(500, {"error": {"message": QUOTED}}), ProviderUnavailable),
        (answered(400, {"error": {"message": QUOTED}}), ProviderRefused),
        (cut_after(QUOTED), ProviderUnavailable),
    ],
    ids=["broken", "refused", "cut"],
)
async def test_a_call_that_failed_names_the_error_alone(
    collector: Collector, reply: Reply, error: type[Exception]
) -> None:
    async with AIServer(reply) as server, exporting("taskrunner-test"):
        ai = OpenAICompatible(provider_client(server.base_url), model="m-1")
        with pytest.raises(error):
            await ai.generate(PROMPT)
        await ai.close()
    [span] = await collector.got(1)
    assert (span.name, span.kind, span.failed, span.error) == ("chat m-1", "CLIENT", True, error.__name__)
    assert QUOTED.encode() not in b"".join(collector.bodies)


async def test_a_call_that_is_repeated_in_other_words_has_two_spans(collector: Collector) -> None:
    async with AIServer() as server, exporting("taskrunner-test"):
        server.script(answered(400, RENAMED))
        ai = OpenAICompatible(provider_client(server.base_url), model="m-1", provider="other")
        await ai.generate(PROMPT, max_tokens=5, temperature=0.5)
        await ai.close()
    assert [span.error for span in await collector.got(2)] == ["ProviderRefused", None]
    for span in collector.spans:
        assert span.attributes["gen_ai.request.max_tokens"] == 5
        assert span.attributes["gen_ai.request.temperature"] == 0.5
        assert span.attributes["gen_ai.provider.name"] == "other"
        assert span.attributes["server.address"] == "127.0.0.1"
