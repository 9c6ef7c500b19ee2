"""Keys of one tenant, without the API: the verbs of ``shared.queue.issuing`` over a connection of one's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime, timedelta

import service.client as sdk
from shared.db.statements.health import database_state
from shared.domain.errors import ConfigurationError
from shared.queue import issuing
from shared.queue.audit import Actor
from shared.queue.issuing import IssuedKey, KeyInfo
from shared.queue.stores import Stores
from shared.settings import load_settings


@asynccontextmanager
async def opened(tenant: str) -> AsyncIterator[KeyStore]:
    """Raises: ConfigurationError, StoreUnavailable."""
    async with Stores(load_settings(), pool_size=1, overflow=0, application="taskrunner") as stores:
        async with stores.db.autocommit() as session:
            if not (await database_state(session)).is_migrated:
                raise ConfigurationError("the database has not this release's schema: run taskrunner migrate")
        yield KeyStore(stores, tenant)


class KeyStore:
    """What the command line asks. Every verb raises NotFound where there is no such tenant."""

    def __init__(self, stores: Stores, tenant: str) -> None:
        self._stores = stores
        self._tenant = tenant

    async def create(
        self, name: str, scopes: Sequence[str], expires_at: datetime | None, *, may_be_new: bool
    ) -> sdk.Key:
        """Raises: InputRefused, Conflict, ConfigurationError."""
        async with self._stores.db.transaction() as session:
            tenant_id = await issuing.tenant_of(session, self._tenant, may_be_new=may_be_new)
            made = await issuing.create_key(
                session,
                self._stores.settings,
                tenant_id,
                name=name,
                scopes=scopes,
                expires_at=expires_at,
                by=Actor(tenant_id),
            )
        return _made(made)

    async def keys(self) -> list[sdk.Key]:
        async with self._stores.db.autocommit() as session:
            tenant_id = await issuing.tenant_of(session, self._tenant)
        return [_key(info) for info in await issuing.list_keys(self._stores, tenant_id)]

    async def revoke(self, key_id: str) -> None:
        async with self._stores.db.transaction() as session:
            tenant_id = await issuing.tenant_of(session, self._tenant)
            await issuing.revoke_key(session, tenant_id, key_id, Actor(tenant_id))

    async def rotate(self, key_id: str, overlap: float | None) -> sdk.Key:
        """Raises: Conflict, ConfigurationError."""
        lasts = issuing.DEFAULT_OVERLAP if overlap is None else timedelta(seconds=overlap)
        async with self._stores.db.transaction() as session:
            tenant_id = await issuing.tenant_of(session, self._tenant)
            made = await issuing.rotate_key(
                session, self._stores.settings, tenant_id, key_id, overlap=lasts, by=Actor(tenant_id)
            )
        return _made(made)


def _key(info: KeyInfo) -> sdk.Key:
    facts = asdict(info)
    facts.pop("tenant_id")
    return sdk.Key.model_validate(facts | {"scopes": list(info.scopes)})


def _made(issued: IssuedKey) -> sdk.Key:
    return sdk.Key.model_validate({**_key(issued.info).model_dump(), "key": issued.token})
