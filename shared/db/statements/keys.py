"""API keys and the tenants they belong to: public ids and keyed hashes, never a secret."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

COLUMNS = "k.id, k.tenant_id, k.name, k.scopes, k.created_at, k.expires_at, k.last_used_at, k.replaced_by"
ALIVE = "k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())"

ANY = text("SELECT EXISTS (SELECT FROM api_keys)")
FIND = text(f"SELECT k.id, k.tenant_id, k.scopes, k.hash FROM api_keys k WHERE k.id = :id AND {ALIVE}")
LIST = text(f"""
    SELECT {COLUMNS} FROM api_keys k
    WHERE k.tenant_id = :tenant_id AND k.revoked_at IS NULL ORDER BY k.created_at DESC, k.id
""")
INSERT = text(f"""
    INSERT INTO api_keys AS k (id, tenant_id, name, scopes, hash, expires_at)
    SELECT CAST(:id AS text), t.id, CAST(:name AS text), CAST(:scopes AS text[]), CAST(:hash AS bytea),
           CAST(:expires_at AS timestamptz)
    FROM tenants t
    WHERE t.id = :tenant_id
      AND (SELECT count(*) FROM api_keys o WHERE o.tenant_id = t.id AND o.revoked_at IS NULL) < :most
    ON CONFLICT (id) DO NOTHING RETURNING {COLUMNS}
""")
REVOKE = text("""
    UPDATE api_keys k SET revoked_at = now()
    WHERE k.id = :id AND k.tenant_id = :tenant_id AND k.revoked_at IS NULL RETURNING k.id
""")
# The lock of the old row orders two rotations: the later one finds it replaced, and makes nothing. A key that ends
# gives its successor as long a life as it was given itself.
ROTATE = text(f"""
    WITH old AS (
        UPDATE api_keys k
        SET replaced_by = CAST(:id AS text), expires_at = least(k.expires_at, now() + make_interval(secs => :overlap))
        FROM api_keys before
        WHERE k.id = :old_id AND k.tenant_id = :tenant_id AND k.replaced_by IS NULL AND {ALIVE} AND before.id = k.id
        RETURNING k.tenant_id, k.name, k.scopes, now() + (before.expires_at - k.created_at) AS expires_at
    )
    INSERT INTO api_keys AS k (id, tenant_id, name, scopes, hash, expires_at)
    SELECT CAST(:id AS text), tenant_id, name, scopes, CAST(:hash AS bytea), expires_at FROM old
    RETURNING {COLUMNS}
""")
ALIVE_IS = text(f"SELECT true FROM api_keys k WHERE k.id = :id AND k.tenant_id = :tenant_id AND {ALIVE}")
USED = text("""
    WITH pick AS MATERIALIZED (
        SELECT k.id FROM api_keys k WHERE k.id = ANY(CAST(:ids AS text[]))
        AND (k.last_used_at IS NULL OR k.last_used_at < now() - make_interval(secs => :apart))
        ORDER BY k.id FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE api_keys k SET last_used_at = now() FROM pick WHERE k.id = pick.id
""")
TENANT = text("SELECT t.id FROM tenants t WHERE t.name = :name")
ADD_TENANT = text("INSERT INTO tenants (name) VALUES (:name) ON CONFLICT (name) DO NOTHING")


@dataclass(frozen=True, slots=True)
class StoredKey:
    id: str
    tenant_id: int
    scopes: frozenset[str]
    hash: bytes


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """What is known of a key without its secret. ``replaced_by`` is the id of the key it was rotated to."""

    id: str
    tenant_id: int
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    replaced_by: str | None


async def any_exists(session: AsyncSession) -> bool:
    """Whether a key was ever made; a revoked one counts, so that revoking the last opens nothing."""
    return bool((await session.execute(ANY)).scalar_one())


async def find(session: AsyncSession, key_id: str) -> StoredKey | None:
    """The key, unless it was revoked or has ended."""
    row = (await session.execute(FIND, {"id": key_id})).first()
    return None if row is None else StoredKey(row.id, row.tenant_id, frozenset(row.scopes), row.hash)


async def list_keys(session: AsyncSession, tenant_id: int) -> list[KeyInfo]:
    """Those that were not revoked, newest first."""
    return [_info(row) for row in (await session.execute(LIST, {"tenant_id": tenant_id})).mappings()]


async def insert(
    session: AsyncSession, key: StoredKey, *, name: str, expires_at: datetime | None = None, most: int = 1_000
) -> KeyInfo | None:
    """Store ``key``; None: its id exists already, or the tenant has ``most`` keys."""
    parameters = {
        "id": key.id,
        "tenant_id": key.tenant_id,
        "name": name,
        "scopes": sorted(key.scopes),
        "hash": key.hash,
        "expires_at": expires_at,
        "most": most,
    }
    row = (await session.execute(INSERT, parameters)).mappings().first()
    return None if row is None else _info(row)


async def revoke(session: AsyncSession, tenant_id: int, key_id: str) -> bool:
    """End the key for good; False: the tenant has none of this id, or it was revoked before."""
    return (await session.execute(REVOKE, {"id": key_id, "tenant_id": tenant_id})).first() is not None


async def rotate(
    session: AsyncSession, tenant_id: int, old_id: str, *, new_id: str, hash: bytes, overlap: timedelta
) -> KeyInfo | None:
    """Put a key like ``old_id`` in its place, and let that end after ``overlap``; None: it is gone, or was replaced."""
    parameters = {
        "id": new_id,
        "old_id": old_id,
        "tenant_id": tenant_id,
        "hash": hash,
        "overlap": overlap.total_seconds(),
    }
    row = (await session.execute(ROTATE, parameters)).mappings().first()
    return None if row is None else _info(row)


async def is_alive(session: AsyncSession, tenant_id: int, key_id: str) -> bool:
    return (await session.execute(ALIVE_IS, {"id": key_id, "tenant_id": tenant_id})).first() is not None


async def note_used(session: AsyncSession, key_ids: Collection[str], *, apart: timedelta) -> None:
    """These were used just now; one noted less than ``apart`` ago, by another process, is left alone."""
    await session.execute(USED, {"ids": sorted(key_ids), "apart": apart.total_seconds()})


async def tenant_named(session: AsyncSession, name: str) -> int | None:
    found: int | None = (await session.execute(TENANT, {"name": name})).scalar()
    return found


async def add_tenant(session: AsyncSession, name: str) -> None:
    """Make the tenant, unless it exists."""
    await session.execute(ADD_TENANT, {"name": name})


def _info(row: RowMapping) -> KeyInfo:
    return KeyInfo(**{**row, "scopes": tuple(row["scopes"])})
