"""The pace of each model: requests and tokens a minute over all workers, and the pauses a provider asks for.

Kept in PostgreSQL: no outage of Redis stops a task or lets it loose. A reservation is made before the call, and
corrected by what the call really used.
"""

from __future__ import annotations

from shared.db.statements import limits as rates
from shared.db.statements import pace as statements
from shared.domain.errors import RateLimited
from shared.domain.rates import ModelLimits
from shared.domain.task import ClaimedTask
from shared.queue.stores import Stores


def _names(model: str) -> tuple[str, str, str]:
    """Of the pause, the requests and the tokens."""
    return f"model:{model}", f"model:{model}:requests", f"model:{model}:tokens"


async def reserve(stores: Stores, model: str, limits: ModelLimits, tokens: int) -> float:
    """Reserve a request and ``tokens``; returns 0, or the seconds to wait first, and then nothing is reserved.

    Raises: StoreUnavailable.
    """
    names = pause, requests, spent = _names(model)
    kept = {requests: limits.requests, spent: limits.tokens}
    async with stores.db.transaction() as session:
        if any(kept.values()):
            await statements.lock(session, pause)
        ahead = await rates.ahead(session, names)
        waits = [rate.wait(ahead.get(name, 0.0)) for name, rate in kept.items() if rate is not None]
        wait = max([ahead.get(pause, 0.0), *waits])
        if wait <= 0:
            uses = {requests: 1, spent: tokens}
            await rates.use(session, {name: uses[name] * rate.interval for name, rate in kept.items() if rate})
    return wait


async def correct(stores: Stores, model: str, limits: ModelLimits, tokens: int) -> None:
    """A call used ``tokens`` more than it had reserved, or fewer. Raises: StoreUnavailable."""
    if limits.tokens is None or not tokens:
        return
    async with stores.db.autocommit() as session:
        await rates.use(session, {_names(model)[2]: tokens * limits.tokens.interval})


async def hold_back(stores: Stores, model: str, seconds: float) -> None:
    """The provider wants no request for ``model`` for so long, from any worker. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        await statements.hold_back(session, _names(model)[0], seconds)


async def deferrals(stores: Stores, task: ClaimedTask) -> tuple[int, float]:
    """How often this generation came too early, and seconds since the first time. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        return await statements.deferrals(session, task.id, task.generation, RateLimited.__name__)
