"""Idempotency keys: the lock, the stored answer, and their removal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.rows import dumps

LOCK = text(
    "SELECT pg_try_advisory_xact_lock(hashtextextended(CAST(:tenant_id AS text) || ':' || CAST(:key AS text), 0))"
)
FIND = text("SELECT digest, status, headers, body FROM idempotency_keys WHERE tenant_id = :tenant_id AND key = :key")
STORE = text("""
    INSERT INTO idempotency_keys (tenant_id, key, digest, status, headers, body)
    VALUES (:tenant_id, :key, :digest, :status, CAST(:headers AS jsonb), :body)
""")
PRUNE = text("""
    DELETE FROM idempotency_keys k USING (
        SELECT o.tenant_id, o.key FROM idempotency_keys o
        WHERE o.created_at < now() - make_interval(secs => :after)
        ORDER BY o.created_at LIMIT :most FOR UPDATE SKIP LOCKED
    ) old
    WHERE k.tenant_id = old.tenant_id AND k.key = old.key
    RETURNING k.key
""")


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What the first request with a key was answered."""

    digest: bytes
    status: int
    headers: dict[str, Any]
    body: bytes


async def try_lock(session: AsyncSession, tenant_id: int, key: str) -> bool:
    """Hold ``key`` until this transaction ends; False: another transaction holds it."""
    return bool((await session.execute(LOCK, {"tenant_id": str(tenant_id), "key": key})).scalar_one())


async def find(session: AsyncSession, tenant_id: int, key: str) -> StoredAnswer | None:
    row = (await session.execute(FIND, {"tenant_id": tenant_id, "key": key})).first()
    return None if row is None else StoredAnswer(row.digest, row.status, row.headers, row.body)


async def store(session: AsyncSession, tenant_id: int, key: str, answer: StoredAnswer) -> None:
    await session.execute(
        STORE,
        {
            "tenant_id": tenant_id,
            "key": key,
            "digest": answer.digest,
            "status": answer.status,
            "headers": dumps(answer.headers),
            "body": answer.body,
        },
    )


async def prune(session: AsyncSession, *, after: float, most: int) -> int:
    """Forget keys older than ``after`` seconds, the oldest ``most``; how many."""
    return len((await session.execute(PRUNE, {"after": after, "most": most})).all())
