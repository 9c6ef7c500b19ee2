"""Idempotency keys: the answer to the first request is stored in the transaction that creates the thing.

An advisory lock, held to the end of that transaction, marks the key as in flight. So a process
that dies in between leaves nothing: neither the thing nor the key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.statements import idempotency as statements
from shared.db.statements.idempotency import StoredAnswer
from shared.domain.errors import KeyInFlight, KeyReused
from shared.queue.pruning import prune_in_batches
from shared.queue.stores import Stores

KEPT_SECONDS = 48 * 3_600
"""The contract promises 24 h at least."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP-shaped answer, as bytes; ``is_replay``: it was stored by an earlier request."""

    status: int
    headers: dict[str, Any]
    body: bytes
    is_replay: bool = False


async def once(
    stores: Stores,
    tenant_id: int,
    key: str,
    digest: bytes,
    create: Callable[[AsyncSession], Awaitable[Answer]],
    *,
    within: float | None = None,
) -> Answer:
    """Run ``create`` in a transaction and store its answer under ``key``, or replay the stored one.

    ``within``: seconds for all of it, where it is much.

    Raises: KeyInFlight, KeyReused, StoreUnavailable, and what ``create`` raises (nothing is stored then).
    """
    async with stores.db.transaction(within=within) as session:
        if not await statements.try_lock(session, tenant_id, key):
            raise KeyInFlight
        stored = await statements.find(session, tenant_id, key)
        if stored is not None:
            if stored.digest != digest:
                raise KeyReused
            return Answer(stored.status, stored.headers, stored.body, is_replay=True)
        answer = await create(session)
        await statements.store(
            session, tenant_id, key, StoredAnswer(digest, answer.status, answer.headers, answer.body)
        )
        return answer


async def prune_idempotency_keys(stores: Stores) -> int:
    """Forget keys past their time; how many. Raises: StoreUnavailable."""
    return await prune_in_batches(
        stores, lambda session, most: statements.prune(session, after=KEPT_SECONDS, most=most)
    )
