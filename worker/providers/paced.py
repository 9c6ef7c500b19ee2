"""``run.ai`` where a provider is configured: each call waits for its turn among all workers, or its task is given back.

A short wait is spent here. A longer one gives the task back at no attempt's cost, so that it holds no slot; a task
that was given back for longer than the patience fails.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

from shared.domain.errors import Fatal, RateLimited, StoreUnavailable
from shared.domain.rates import ModelLimits
from shared.domain.run import AI, ChatMessage, Completion
from shared.domain.task import ClaimedTask
from shared.logs import get_logger
from shared.queue.pace import correct, deferrals, hold_back, reserve
from shared.queue.stores import Stores

IN_PLACE_SECONDS = 2.0
"""A wait up to that is spent in the slot: giving back and claiming anew would cost as much."""
LONGEST_BACKOFF_SECONDS = 60.0
DATABASE_AWAY_SECONDS = 5.0
BYTES_PER_TOKEN = 4
USUAL_ANSWER_TOKENS = 512
IMAGE_TOKENS = 1_000
NO_LIMITS = ModelLimits()
log = get_logger(__name__)


class PatienceLost(Fatal):
    """The AI provider's limits left no room for this task."""

    code = "rate_limited"


class PacedAI:
    """The AI as one task sees it."""

    def __init__(self, ai: AI, stores: Stores, task: ClaimedTask) -> None:
        self._ai = ai
        self._stores = stores
        self._task = task

    @property
    def has_vision(self) -> bool:
        return self._ai.has_vision

    async def generate(
        self,
        messages: Sequence[ChatMessage],
        *,
        model: str | None = None,
        max_tokens: int | None = None,
        temperature: float | None = None,
        on_delta: Callable[[str], None] | None = None,
    ) -> Completion:
        asked = sum(len(turn.content.encode("utf-8", "replace")) for turn in messages) // BYTES_PER_TOKEN
        return await self._in_turn(
            model,
            asked + (max_tokens or USUAL_ANSWER_TOKENS),
            lambda: self._ai.generate(
                messages, model=model, max_tokens=max_tokens, temperature=temperature, on_delta=on_delta
            ),
        )

    async def describe_image(
        self, path: Path, media_type: str, question: str, *, model: str | None = None
    ) -> Completion:
        return await self._in_turn(
            model, IMAGE_TOKENS, lambda: self._ai.describe_image(path, media_type, question, model=model)
        )

    async def _in_turn(self, model: str | None, tokens: int, call: Callable[[], Awaitable[Completion]]) -> Completion:
        settings = self._stores.settings
        name = model or settings.ai_model or ""
        limits = settings.ai_limits.get(name, NO_LIMITS)
        await self._turn(name, limits, tokens)
        try:
            answer = await call()
        except RateLimited as refused:
            wait = refused.retry_after.total_seconds() if refused.retry_after else 0.0
            await self._noted(hold_back(self._stores, name, wait))
            raise await self._given_back(str(refused), wait) from refused
        if used := answer.usage.total_tokens:
            await self._noted(correct(self._stores, name, limits, used - tokens))
        return answer

    async def _turn(self, model: str, limits: ModelLimits, tokens: int) -> None:
        """Until the call may be made. Raises: RateLimited, where that is too far off to wait; PatienceLost."""
        gives_up_at = time.monotonic() + IN_PLACE_SECONDS
        while True:
            try:
                wait = await reserve(self._stores, model, limits, tokens)
            except StoreUnavailable as error:
                later = timedelta(seconds=DATABASE_AWAY_SECONDS)
                raise RateLimited("no turn can be taken while the database is away", retry_after=later) from error
            if wait <= 0:
                return
            if time.monotonic() + wait > gives_up_at:
                raise await self._given_back(f"the limits of the model {model!r} leave no room for {wait:.1f} s", wait)
            await asyncio.sleep(wait)

    async def _given_back(self, why: str, wait: float) -> Exception:
        """What ends this run: come again, each time a little later, and not all who wait at one moment."""
        patience = self._stores.settings.ai_patience
        try:
            times, since = await deferrals(self._stores, self._task)
        except StoreUnavailable:
            times, since = 0, 0.0
        if since + wait > patience:
            return PatienceLost(f"{why}; this task has waited {since:.0f} s, and may wait {patience:.0f}")
        backoff = min(2.0 ** min(times, 10), LONGEST_BACKOFF_SECONDS)
        spread = 1 + random.random() / 2  # noqa: S311 # nosec B311 # spreads retries, keeps no secret
        return RateLimited(why, retry_after=timedelta(seconds=max(wait, backoff) * spread))

    async def _noted(self, note: Awaitable[None]) -> None:
        """What is lost here is a reservation too large, or a pause that others find out for themselves."""
        try:
            await note
        except StoreUnavailable:
            log.warning("pace_not_noted", reason="database away")
