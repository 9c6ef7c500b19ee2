"""The salts of the tenants' webhook secrets: one current each, and those that were rotated out and still sign."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

VALID = text("""
    SELECT s.salt, s.created_at, s.expires_at FROM webhook_secrets s
    WHERE s.tenant_id = :tenant_id AND (s.expires_at IS NULL OR s.expires_at > now())
    ORDER BY s.expires_at DESC NULLS FIRST
""")

ENSURE = text("""
    INSERT INTO webhook_secrets (tenant_id, salt) VALUES (:tenant_id, :salt)
    ON CONFLICT (tenant_id) WHERE expires_at IS NULL DO NOTHING
""")

# The lock of the row that is rotated out orders two rotations; the later one finds it gone, and makes nothing.
ROTATE = text("""
    WITH retired AS (
        UPDATE webhook_secrets s SET expires_at = now() + make_interval(secs => :overlap)
        WHERE s.tenant_id = :tenant_id AND s.expires_at IS NULL
          AND (SELECT count(*) FROM webhook_secrets v
               WHERE v.tenant_id = :tenant_id AND (v.expires_at IS NULL OR v.expires_at > now())) < :most
        RETURNING s.tenant_id
    )
    INSERT INTO webhook_secrets (tenant_id, salt) SELECT tenant_id, :salt FROM retired RETURNING tenant_id
""")

PRUNE = text("DELETE FROM webhook_secrets WHERE expires_at <= now()")


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """``expires_at`` is None for the current one."""

    salt: bytes
    created_at: datetime
    expires_at: datetime | None


async def valid(session: AsyncSession, tenant_id: int) -> list[StoredSecret]:
    """Those that sign, the current one first; empty: the tenant has none yet."""
    rows = await session.execute(VALID, {"tenant_id": tenant_id})
    return [StoredSecret(row.salt, row.created_at, row.expires_at) for row in rows]


async def ensure(session: AsyncSession, tenant_id: int, salt: bytes) -> None:
    """Give the tenant ``salt``, unless it has a secret."""
    await session.execute(ENSURE, {"tenant_id": tenant_id, "salt": salt})


async def rotate(session: AsyncSession, tenant_id: int, salt: bytes, *, overlap: timedelta, most: int) -> bool:
    """Make ``salt`` the current one; False: ``most`` sign already, or another rotation was faster."""
    parameters = {"tenant_id": tenant_id, "salt": salt, "overlap": overlap.total_seconds(), "most": most}
    return (await session.execute(ROTATE, parameters)).first() is not None


async def prune(session: AsyncSession) -> None:
    """Forget those that sign no more."""
    await session.execute(PRUNE)
