"""API keys as admins handle them: create, list, revoke, rotate. A secret is made here, told once, and stored nowhere.

Who a key is asked for at the door: ``shared.queue.keys``.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from shared.db.statements import keys as statements
from shared.db.statements.keys import KeyInfo, StoredKey
from shared.domain.errors import Conflict, InputRefused, NotFound
from shared.queue.audit import Actor, note
from shared.queue.keys import ALL_SCOPES, keyed_hash
from shared.queue.stores import Stores
from shared.settings import Settings

ID_LETTERS = string.ascii_lowercase + string.digits
ID_LENGTH = 12
SECRET_BYTES = 32
MOST_KEYS = 1_000
"""Of one tenant that are not revoked."""
USED_APART = timedelta(seconds=30)
DEFAULT_OVERLAP = timedelta(days=1)

__all__ = [
    "DEFAULT_OVERLAP",
    "IssuedKey",
    "KeyInfo",
    "create_key",
    "list_keys",
    "note_used",
    "revoke_key",
    "rotate_key",
    "tenant_of",
]


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key just made. ``token`` is the whole of it, ``trk_<id>.<secret>``: the only time it is known."""

    info: KeyInfo
    token: str


async def create_key(
    session: AsyncSession,
    settings: Settings,
    tenant_id: int,
    *,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    by: Actor | None = None,
) -> IssuedKey:
    """Make a key for the tenant. Raises: InputRefused; Conflict, where it has 1,000; ConfigurationError."""
    if unknown := set(scopes) - ALL_SCOPES:
        raise InputRefused([("/scopes", f"There is no scope {min(unknown)!r}: read, write, admin.")])
    if expires_at is not None and expires_at <= datetime.now(UTC):
        raise InputRefused([("/expires_at", "Give a time in the future.")])
    key_id, secret = _fresh()
    stored = StoredKey(key_id, tenant_id, frozenset(scopes), keyed_hash(settings, secret))
    info = await statements.insert(session, stored, name=name, expires_at=expires_at, most=MOST_KEYS)
    if info is None:
        raise Conflict(f"A tenant has at most {MOST_KEYS:,} keys: revoke some first.")
    await note(session, by, "key.create", key_id, name=name, scopes=info.scopes, expires_at=expires_at)
    return IssuedKey(info, _token(key_id, secret))


async def rotate_key(
    session: AsyncSession,
    settings: Settings,
    tenant_id: int,
    key_id: str,
    *,
    overlap: timedelta = DEFAULT_OVERLAP,
    by: Actor | None = None,
) -> IssuedKey:
    """Make its successor; the key itself works for ``overlap`` more, or to its own end if that is sooner.

    Raises: NotFound; Conflict, where it was rotated before; ConfigurationError.
    """
    new_id, secret = _fresh()
    hash = keyed_hash(settings, secret)
    info = await statements.rotate(session, tenant_id, key_id, new_id=new_id, hash=hash, overlap=overlap)
    if info is None:
        if await statements.is_alive(session, tenant_id, key_id):
            raise Conflict("This key was rotated already: rotate the one it was replaced by.")
        raise NotFound
    await note(session, by, "key.rotate", key_id, successor=new_id, overlap=overlap.total_seconds())
    return IssuedKey(info, _token(new_id, secret))


async def revoke_key(session: AsyncSession, tenant_id: int, key_id: str, by: Actor | None = None) -> None:
    """End it for good; every process refuses it two seconds later at the latest. Raises: NotFound."""
    if not await statements.revoke(session, tenant_id, key_id):
        raise NotFound
    await note(session, by, "key.revoke", key_id)


async def list_keys(stores: Stores, tenant_id: int) -> list[KeyInfo]:
    """Those of the tenant that were not revoked, newest first. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        return await statements.list_keys(session, tenant_id)


async def note_used(stores: Stores, key_ids: Sequence[str]) -> None:
    """Keep that these keys were used just now. Raises: StoreUnavailable."""
    async with stores.db.autocommit() as session:
        await statements.note_used(session, key_ids, apart=USED_APART)


async def tenant_of(session: AsyncSession, name: str, *, may_be_new: bool = False) -> int:
    """The tenant's id; made first, where it ``may_be_new``. Raises: NotFound."""
    if may_be_new:
        await statements.add_tenant(session, name)
    found = await statements.tenant_named(session, name)
    if found is None:
        raise NotFound(f"There is no tenant {name!r}.")
    return found


def _fresh() -> tuple[str, str]:
    """An id and a secret of 256 bits, in the letters that ``shared.queue.keys.FORM`` takes."""
    return "".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH)), secrets.token_urlsafe(SECRET_BYTES)


def _token(key_id: str, secret: str) -> str:
    return f"trk_{key_id}.{secret}"
