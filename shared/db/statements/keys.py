"""API keys: public ids and keyed hashes, never a secret."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

ANY = text("SELECT EXISTS (SELECT FROM api_keys)")
FIND = text("SELECT id, tenant_id, scopes, hash FROM api_keys WHERE id = :id AND revoked_at IS NULL")
INSERT = text("""
    INSERT INTO api_keys (id, tenant_id, name, scopes, hash)
    VALUES (:id, :tenant_id, :name, CAST(:scopes AS text[]), :hash)
    ON CONFLICT (id) DO NOTHING RETURNING id
""")


@dataclass(frozen=True, slots=True)
class StoredKey:
    id: str
    tenant_id: int
    scopes: frozenset[str]
    hash: bytes


async def any_exists(session: AsyncSession) -> bool:
    """Whether a key was ever made; a revoked one counts, so that revoking the last opens nothing."""
    return bool((await session.execute(ANY)).scalar_one())


async def find(session: AsyncSession, key_id: str) -> StoredKey | None:
    row = (await session.execute(FIND, {"id": key_id})).first()
    return None if row is None else StoredKey(row.id, row.tenant_id, frozenset(row.scopes), row.hash)


async def insert(session: AsyncSession, key: StoredKey, *, name: str) -> bool:
    """Store ``key``; False: its id exists already."""
    parameters = {
        "id": key.id,
        "tenant_id": key.tenant_id,
        "name": name,
        "scopes": sorted(key.scopes),
        "hash": key.hash,
    }
    return (await session.execute(INSERT, parameters)).first() is not None
