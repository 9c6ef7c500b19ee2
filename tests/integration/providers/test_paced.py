"""A model's pace over the real stores and a real HTTP server: what one call learns, all workers keep to."""

from __future__ import annotations

import copy
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio

from shared.domain.errors import RateLimited
from shared.domain.outcomes import failure_of
from shared.domain.rates import ModelLimits, Rate, parse_model_limits
from shared.domain.retry import DEFAULT_RETRY
from shared.domain.run import ChatMessage
from shared.domain.states import Status
from shared.domain.verdict import Attempted, decide
from shared.queue.pace import correct, deferrals, hold_back, reserve
from shared.queue.stores import Stores
from tests.support.ai_server import AIServer, Reply, answered
from tests.support.scenes.making import ended, execute, row, running
from worker.providers.openai_compatible import OpenAICompatible, provider_client
from worker.providers.paced import PacedAI, PatienceLost

PROMPT = [ChatMessage("user", "Say hello")]
MODEL = "big"
SLOW_DOWN = {"error": {"message": "slow down", "type": "rate_limit_error"}}


@pytest.fixture
async def server() -> AsyncIterator[AIServer]:
    async with AIServer() as server:
        yield server


@pytest_asyncio.fixture
async def limited(stores: Stores) -> Stores:
    """Whose settings limit MODEL to one request at once, and 60 a minute of tokens at length."""
    found = copy.copy(stores)
    limits = {MODEL: ModelLimits(requests=Rate(3_600, 3_600.0), tokens=Rate(60_000, 60.0))}
    update = {"ai_limits": limits, "ai_patience": 100.0}
    found.settings = stores.settings.model_copy(update=update)
    return found


@pytest.fixture
async def ai(server: AIServer) -> AsyncIterator[OpenAICompatible]:
    ai = OpenAICompatible(provider_client(server.base_url))
    yield ai
    await ai.close()


def too_many(seconds: int) -> Reply:
    return answered(429, SLOW_DOWN, {"Retry-After": str(seconds)})


async def test_a_429_holds_back_every_worker_on_that_model_and_no_other(
    limited: Stores, server: AIServer, ai: OpenAICompatible
) -> None:
    server.script(too_many(20))
    first, second = [PacedAI(ai, limited, await running(limited)) for _ in range(2)]
    with pytest.raises(RateLimited, match="429") as refused:
        await first.generate(PROMPT, model="small")
    assert refused.value.retry_after is not None
    assert refused.value.retry_after >= timedelta(seconds=20)
    with pytest.raises(RateLimited, match="no room"):
        await second.generate(PROMPT, model="small")
    assert len(server.requests) == 1, "the second one did not even ask"
    assert (await second.generate(PROMPT, model="other")).text == "Hello, world"


async def test_a_short_pause_is_waited_for_in_place(limited: Stores, server: AIServer, ai: OpenAICompatible) -> None:
    await hold_back(limited, "small", 0.7)
    began_at = time.monotonic()
    await PacedAI(ai, limited, await running(limited)).generate(PROMPT, model="small")
    assert time.monotonic() - began_at > 0.5
    assert len(server.requests) == 1


async def test_a_pause_is_never_made_shorter(stores: Stores) -> None:
    await hold_back(stores, "small", 60.0)
    await hold_back(stores, "small", 1.0)
    assert await reserve(stores, "small", ModelLimits(), 0) > 30


async def test_requests_of_all_workers_together_keep_to_the_rate(stores: Stores) -> None:
    limits = parse_model_limits("60rpm")
    began_at = time.monotonic()
    waits = [await reserve(stores, MODEL, limits, 1) for _ in range(9)]
    granted = [wait for wait in waits if wait <= 0]
    # A tenth of a minute's worth at once, and one more each second.
    assert 6 <= len(granted) <= 6 + time.monotonic() - began_at
    assert all(wait <= 1.01 for wait in waits)


async def test_tokens_are_reserved_and_corrected_by_what_was_used(
    limited: Stores, server: AIServer, ai: OpenAICompatible
) -> None:
    """The estimate of 30,000 tokens is half a minute's worth; the answer took ten."""
    paced = PacedAI(ai, limited, await running(limited))
    await paced.generate(PROMPT, model=MODEL, max_tokens=30_000)
    await paced.generate(PROMPT, model=MODEL, max_tokens=30_000)
    assert len(server.requests) == 2
    assert await reserve(limited, MODEL, limited.settings.ai_limits[MODEL], 30_000) < 2
    await correct(limited, MODEL, limited.settings.ai_limits[MODEL], 10_000)
    assert await reserve(limited, MODEL, limited.settings.ai_limits[MODEL], 1) > 10


async def test_a_task_that_comes_too_early_waits_without_an_attempt(stores: Stores) -> None:
    run = await running(stores)
    outcome = failure_of(RateLimited("slow down", retry_after=timedelta(seconds=30)))
    verdict = decide(Attempted(run.attempt, run.max_attempts), outcome, DEFAULT_RETRY, jitter=0.0)
    settled = await ended(stores, run, verdict)
    assert settled is not None
    assert (settled.status, settled.attempt) == (Status.RETRYING, 0)
    assert 25 < settled.delay <= 30
    assert [past.outcome for past in (await row(stores, run.id)).past] == ["released"]
    times, since = await deferrals(stores, run)
    assert (times, since < 10) == (1, True)


async def test_a_task_whose_patience_is_over_fails_and_says_why(
    limited: Stores, server: AIServer, ai: OpenAICompatible
) -> None:
    run = await running(limited)
    paced = PacedAI(ai, limited, run)
    server.script(too_many(3_600))
    with pytest.raises(PatienceLost, match="may wait 100"):
        await paced.generate(PROMPT, model="patient")
    await execute(
        limited,
        "INSERT INTO attempts (task_id, version, attempt, generation, started_at, finished_at, outcome, error)"
        " VALUES (:id, 1, 1, 1, now(), now() - interval '99 seconds', 'released', '{\"type\": \"RateLimited\"}')",
        id=run.id,
    )
    server.script(too_many(5))
    with pytest.raises(PatienceLost, match=r"has waited (99|1\d\d) s"):
        await paced.generate(PROMPT, model="small")


async def test_who_is_turned_away_again_and_again_comes_back_ever_later(
    limited: Stores, server: AIServer, ai: OpenAICompatible
) -> None:
    run = await running(limited)
    for version in range(1, 6):
        await execute(
            limited,
            "INSERT INTO attempts (task_id, version, attempt, generation, started_at, finished_at, outcome, error)"
            " VALUES (:id, :version, 1, 1, now(), now(), 'released', '{\"type\": \"RateLimited\"}')",
            id=run.id,
            version=version,
        )
    server.script(too_many(1))
    with pytest.raises(RateLimited) as refused:
        await PacedAI(ai, limited, run).generate(PROMPT, model="small")
    assert refused.value.retry_after is not None
    assert refused.value.retry_after >= timedelta(seconds=32)
