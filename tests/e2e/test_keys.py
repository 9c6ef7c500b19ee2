"""keys --database: what whoever runs the service can do without a key, and without the API."""

from __future__ import annotations

import json
from typing import Any

from shared.domain.task import DEFAULT_TENANT
from shared.queue.keys import Principal, authenticate
from shared.queue.stores import Stores
from shared.settings import Settings
from tests.support.processes import Child, Processes


async def test_keys_of_any_tenant_are_made_on_the_database(
    processes: Processes, settings: Settings, stores: Stores
) -> None:
    assert settings.secret_key is not None
    env = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "TASKRUNNER_SECRET_KEY": settings.secret_key.get_secret_value(),
    }

    async def keys(*argv: str, code: int = 0, **more: str) -> Child:
        child = processes.taskrunner("keys", *argv, "--database", env={**env, **more})
        assert await child.wait() == code, child.output
        return child

    async def made(*argv: str) -> dict[str, Any]:
        told: dict[str, Any] = json.loads((await keys(*argv, "-o", "json")).output)
        return told

    assert "There is no tenant 'acme'" in (await keys("list", "--tenant", "acme", code=3)).output
    first = await made("create", "acme-admin", "--scope", "admin", "--tenant", "acme", "--new-tenant")
    who = await authenticate(stores, first["key"])
    assert who is not None
    assert who.tenant_id != DEFAULT_TENANT
    assert who.scopes == {"admin"}
    await keys("rotate", first["id"], code=3)  # it is not the default tenant's
    second = await made("rotate", first["id"], "--overlap", "0", "--tenant", "acme")
    assert await authenticate(stores, first["key"]) is None
    assert await authenticate(stores, second["key"]) == Principal(who.tenant_id, who.scopes, second["id"])
    await keys("revoke", second["id"], "--tenant", "acme")
    assert await authenticate(stores, second["key"]) is None
    await keys("create", "x", "--scope", "root", code=2)
    refused = await keys("create", "x", "--scope", "read", code=2, TASKRUNNER_SECRET_KEY="")
    assert "TASKRUNNER_SECRET_KEY" in refused.output
