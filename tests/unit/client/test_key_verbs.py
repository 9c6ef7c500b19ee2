"""What the client asks about keys, over real HTTP."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from service.client import AsyncClient, Client, NotFound
from tests.support.fake_api import FakeApi

KEY = {"id": "abcd", "name": "ops", "scopes": ["read"], "created_at": "2026-03-01T12:00:00Z", "key": "trk_abcd.s"}


def test_a_key_is_made_and_rotated(api: FakeApi, client: Client) -> None:
    api.answer("POST", "/api/v1/keys", 201, KEY)
    api.answer("POST", "/api/v1/keys/abcd/rotate", 201, {**KEY, "id": "efgh"})
    made = client.create_key("ops", ["read"], expires_at=datetime(2030, 1, 1, tzinfo=UTC))
    assert (made.id, made.key) == ("abcd", "trk_abcd.s")
    assert api.requests[-1].json == {"name": "ops", "scopes": ["read"], "expires_at": "2030-01-01T00:00:00+00:00"}
    assert client.rotate_key("abcd", overlap=60).id == "efgh"
    assert api.requests[-1].json == {"overlap": 60}


async def test_keys_are_listed_and_revoked(api: FakeApi, async_client: AsyncClient) -> None:
    shown = {name: value for name, value in KEY.items() if name != "key"}
    api.answer("GET", "/api/v1/keys", 200, {"data": [shown]})
    api.answer("DELETE", "/api/v1/keys/abcd", 204, b"")
    api.refuse("DELETE", "/api/v1/keys/nope", 404, "not_found")
    [found] = await async_client.keys()
    assert (found.id, found.key) == ("abcd", None)
    await async_client.revoke_key(found.id)
    with pytest.raises(NotFound):
        await async_client.revoke_key("nope")
