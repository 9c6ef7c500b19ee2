"""The secrets that sign a tenant's webhooks: shown to its admins, rotated with an overlap, stored nowhere."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

from shared.db.statements import webhook_secrets as statements
from shared.domain.errors import ConfigurationError, Conflict
from shared.domain.webhooks import OVERLAP, SALT_BYTES, derive, serialized
from shared.queue.audit import Actor, note
from shared.queue.stores import Stores
from shared.settings import Settings

MOST_VALID = 5
"""Each valid secret is a signature in a header of every request."""


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """``text`` is ``whsec_`` and base64; ``expires_at`` is None for the current one."""

    text: str
    created_at: datetime
    expires_at: datetime | None


async def valid_secrets(stores: Stores, tenant_id: int) -> list[WebhookSecret]:
    """Those that sign now, the current one first. The first call makes it. Raises: ConfigurationError."""
    key = secret_key(stores.settings)
    async with stores.db.autocommit() as session:
        found = await statements.valid(session, tenant_id)
        if not any(secret.expires_at is None for secret in found):
            await statements.ensure(session, tenant_id, secrets.token_bytes(SALT_BYTES))
            found = await statements.valid(session, tenant_id)
    return [WebhookSecret(serialized(derive(key, tenant_id, s.salt)), s.created_at, s.expires_at) for s in found]


async def rotate_secret(stores: Stores, tenant_id: int, by: Actor | None = None) -> list[WebhookSecret]:
    """Make another secret the current one; the one before signs for 24 h more. Raises: Conflict, ConfigurationError."""
    await valid_secrets(stores, tenant_id)
    async with stores.db.transaction() as session:
        salt = secrets.token_bytes(SALT_BYTES)
        if not await statements.rotate(session, tenant_id, salt, overlap=OVERLAP, most=MOST_VALID):
            raise Conflict(f"At most {MOST_VALID} secrets sign at once: wait until one of them expires.")
        await note(session, by, "webhook_secret.rotate", "current")
    return await valid_secrets(stores, tenant_id)


async def salts_of(stores: Stores, tenant_id: int) -> tuple[bytes, ...]:
    """What the tenant's valid secrets are made of, the current one first; made if need be."""
    async with stores.db.autocommit() as session:
        await statements.ensure(session, tenant_id, secrets.token_bytes(SALT_BYTES))
        return tuple(secret.salt for secret in await statements.valid(session, tenant_id))


async def prune_secrets(stores: Stores) -> None:
    """Forget secrets past their overlap."""
    async with stores.db.autocommit() as session:
        await statements.prune(session)


def secret_key(settings: Settings) -> str:
    """What every secret is derived from. Raises: ConfigurationError where TASKRUNNER_SECRET_KEY is not set."""
    if settings.secret_key is None:
        raise ConfigurationError("TASKRUNNER_SECRET_KEY: needed to sign webhooks")
    return settings.secret_key.get_secret_value()
