"""API keys: ``trk_<id>.<secret>``, stored as a keyed hash, compared in constant time."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from shared.db.statements import keys as statements
from shared.db.statements.keys import StoredKey
from shared.domain.errors import ConfigurationError
from shared.domain.task import DEFAULT_TENANT
from shared.queue.stores import Stores
from shared.settings import Settings

FORM = re.compile(r"trk_(?P<id>[A-Za-z0-9]{4,32})\.(?P<secret>[A-Za-z0-9_-]{16,128})")
ALL_SCOPES = frozenset({"read", "write", "admin"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: a tenant, and what it may do."""

    tenant_id: int
    scopes: frozenset[str]
    key_id: str | None = None


LOCAL = Principal(DEFAULT_TENANT, ALL_SCOPES)
"""A caller on loopback, as long as no key exists."""


async def any_key_exists(stores: Stores) -> bool:
    async with stores.db.autocommit() as session:
        return await statements.any_exists(session)


async def authenticate(stores: Stores, token: str) -> Principal | None:
    """The principal of a key; None: malformed, unknown, revoked or wrong, told apart by nobody."""
    match = FORM.fullmatch(token)
    if match is None:
        return None
    async with stores.db.autocommit() as session:
        stored = await statements.find(session, match["id"])
    given = keyed_hash(stores.settings, match["secret"])
    # Compared even where the id is unknown, so that time tells nothing.
    is_right = hmac.compare_digest(given, stored.hash if stored else bytes(len(given)))
    if stored is None or not is_right:
        return None
    return Principal(stored.tenant_id, stored.scopes, stored.id)


async def principal_of(stores: Stores, key_id: str) -> Principal | None:
    """Whom a key speaks for, by its id alone: for a session that was begun with it. None: it is no more."""
    async with stores.db.autocommit() as session:
        stored = await statements.find(session, key_id)
    return None if stored is None else Principal(stored.tenant_id, stored.scopes, stored.id)


async def ensure_bootstrap_key(stores: Stores) -> None:
    """Store the bootstrap key, if one is set and it is new. Raises as ``bootstrap_key`` does; StoreUnavailable."""
    key = bootstrap_key(stores.settings)
    if key is not None:
        async with stores.db.autocommit() as session:
            await statements.insert(session, key, name="bootstrap")


def bootstrap_key(settings: Settings) -> StoredKey | None:
    """The first admin key, from ``TASKRUNNER_BOOTSTRAP_KEY``; None where it is not set.

    Raises: ConfigurationError where it has not the form of a key, or TASKRUNNER_SECRET_KEY is missing.
    """
    if settings.bootstrap_key is None:
        return None
    match = FORM.fullmatch(settings.bootstrap_key.get_secret_value())
    if match is None:
        raise ConfigurationError(
            "TASKRUNNER_BOOTSTRAP_KEY: must look like trk_<id>.<secret>: 4-32 letters or digits, a dot, "
            "and at least 16 of A-Z a-z 0-9 _ -"
        )
    return StoredKey(match["id"], DEFAULT_TENANT, ALL_SCOPES, keyed_hash(settings, match["secret"]))


def keyed_hash(settings: Settings, secret: str) -> bytes:
    """BLAKE2b of a secret, keyed with TASKRUNNER_SECRET_KEY. Secrets are random, so no slow hash is needed.

    Raises: ConfigurationError where that setting is missing.
    """
    if settings.secret_key is None:
        raise ConfigurationError(
            "TASKRUNNER_SECRET_KEY: needed as soon as API keys are used (openssl rand -hex 32 makes one)"
        )
    key = hashlib.sha256(settings.secret_key.get_secret_value().encode()).digest()
    return hashlib.blake2b(secret.encode(), key=key, digest_size=32).digest()
