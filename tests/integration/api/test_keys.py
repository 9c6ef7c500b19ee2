"""Keys over REST: shown once, stored as a hash, ended by time, by rotation and by hand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from service.app import build
from service.auth import Authenticator
from service.dependencies import House
from shared.children import end
from shared.queue import issuing
from shared.queue.keys import FORM, authenticate
from shared.queue.stores import Stores
from shared.registry import Registry
from shared.settings import Settings
from tests.integration.api.conftest import LOOPBACK_URL, assert_problem
from tests.support.keys import Made, bearer, key

KEYS = "/api/v1/keys"
TASKS = "/api/v1/tasks"
WANTED: dict[str, Any] = {"name": "web-team", "scopes": ["read", "write"]}


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the memory at the door is for is tested with its clock; here each request asks."""
    monkeypatch.setattr("service.auth.TTL_SECONDS", 0.0)


async def execute(stores: Stores, statement: str, **given: Any) -> list[Any]:
    async with stores.db.autocommit() as session:
        return list((await session.execute(text(statement), given)).scalars())


async def status(api: httpx.AsyncClient, token: str) -> int:
    return (await api.get(TASKS, headers=bearer(token))).status_code


async def test_the_first_key_closes_the_door_behind_it_so_it_must_be_an_admins(api: httpx.AsyncClient) -> None:
    assert_problem(await api.post(KEYS, json=WANTED), 422, "validation_error", "/scopes")
    assert (await api.get(TASKS)).status_code == 200
    made = await api.post(KEYS, json={"name": "ops", "scopes": ["admin"]})
    assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
    assert_problem(await api.get(TASKS), 401, "unauthorized")
    second = await api.post(KEYS, json=WANTED, headers=bearer(made.json()["key"]))
    assert second.status_code == 201
    assert await status(api, second.json()["key"]) == 200
    assert_problem(await api.get(KEYS, headers=bearer(second.json()["key"])), 403, "forbidden")


async def test_a_secret_is_shown_once_and_stored_nowhere(api: httpx.AsyncClient, stores: Stores, admin: Made) -> None:
    made = (await api.post(KEYS, json=WANTED, headers={**admin.headers, "Idempotency-Key": "k"})).json()
    match = FORM.fullmatch(made["key"])
    assert match is not None
    assert match["id"] == made["id"]
    again = await api.post(KEYS, json=WANTED, headers={**admin.headers, "Idempotency-Key": "k"})
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == {**made, "key": None}
    listed = (await api.get(KEYS, headers=admin.headers)).json()["data"]
    assert [one["id"] for one in listed] == [made["id"], admin.id]
    assert all("key" not in one for one in listed)
    for table in ("api_keys", "idempotency_keys"):
        rows = await execute(stores, f"SELECT CAST(t.* AS text) FROM {table} t")  # noqa: S608 - ours
        assert rows
        assert not any(match["secret"] in row or match["secret"].encode().hex() in row for row in rows)


async def test_both_work_for_the_overlap_then_only_the_successor(
    api: httpx.AsyncClient, stores: Stores, admin: Made
) -> None:
    old = (await api.post(KEYS, json=WANTED, headers=admin.headers)).json()
    path = f"{KEYS}/{old['id']}/rotate"
    rotated = await api.post(path, json={}, headers=admin.headers)
    assert rotated.status_code == 201
    new = rotated.json()
    assert (new["name"], new["scopes"], new["expires_at"]) == (old["name"], old["scopes"], None)
    assert [await status(api, one["key"]) for one in (old, new)] == [200, 200]
    shown = {one["id"]: one for one in (await api.get(KEYS, headers=admin.headers)).json()["data"]}
    assert shown[old["id"]]["replaced_by"] == new["id"]
    ends_in = datetime.fromisoformat(shown[old["id"]]["expires_at"]) - datetime.now(UTC)
    assert timedelta(hours=23) < ends_in <= timedelta(days=1, seconds=5)
    assert_problem(await api.post(path, json={}, headers=admin.headers), 409, "conflict")
    third = await api.post(f"{KEYS}/{new['id']}/rotate", json={"overlap": 0}, headers=admin.headers)
    assert [await status(api, token) for token in (new["key"], third.json()["key"])] == [401, 200]
    assert_problem(await api.post(f"{KEYS}/{new['id']}/rotate", json={}, headers=admin.headers), 404, "not_found")


async def test_a_key_that_ends_gives_its_successor_as_long_a_life(api: httpx.AsyncClient, admin: Made) -> None:
    ends = datetime.now(UTC) + timedelta(hours=2)
    body = {**WANTED, "expires_at": ends.isoformat()}
    old = (await api.post(KEYS, json=body, headers=admin.headers)).json()
    new = (await api.post(f"{KEYS}/{old['id']}/rotate", json={}, headers=admin.headers)).json()
    life = datetime.fromisoformat(new["expires_at"]) - datetime.fromisoformat(new["created_at"])
    assert abs(life - timedelta(hours=2)) < timedelta(minutes=1)
    shown = {one["id"]: one["expires_at"] for one in (await api.get(KEYS, headers=admin.headers)).json()["data"]}
    assert shown[old["id"]] == old["expires_at"], "an overlap lengthens no life"


async def test_a_revoked_and_an_ended_key_are_refused_as_a_wrong_one_is(
    api: httpx.AsyncClient, stores: Stores, admin: Made
) -> None:
    revoked, ended = await key(stores, "read"), await key(stores, "read")
    assert [await status(api, one.token) for one in (revoked, ended)] == [200, 200]
    assert (await api.delete(f"{KEYS}/{revoked.id}", headers=admin.headers)).status_code == 204
    assert_problem(await api.delete(f"{KEYS}/{revoked.id}", headers=admin.headers), 404, "not_found")
    await execute(stores, "UPDATE api_keys SET expires_at = now() WHERE id = :id RETURNING id", id=ended.id)
    told = []
    for token in (revoked.token, ended.token, f"trk_nokey.{'x' * 32}"):
        problem = assert_problem(await api.get(TASKS, headers=bearer(token)), 401, "unauthorized")
        told.append((problem["title"], problem["detail"]))
    assert len(set(told)) == 1
    listed = {one["id"] for one in (await api.get(KEYS, headers=admin.headers)).json()["data"]}
    assert listed == {admin.id, ended.id}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "", "scopes": ["read"]}, "/name"),
        ({"name": "x", "scopes": []}, "/scopes"),
        ({"name": "x", "scopes": ["root"]}, "/scopes/0"),
        ({"name": "x", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"name": "x", "scopes": ["read"], "tenant": "other"}, "/tenant"),
    ],
    ids=str,
)
async def test_a_key_nobody_could_mean_is_refused(
    api: httpx.AsyncClient, admin: Made, body: dict[str, Any], pointer: str
) -> None:
    assert_problem(await api.post(KEYS, json=body, headers=admin.headers), 422, "validation_error", pointer)


async def test_a_tenant_has_a_thousand_keys_at_most(
    api: httpx.AsyncClient, admin: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuing, "MOST_KEYS", 2)
    assert (await api.post(KEYS, json=WANTED, headers=admin.headers)).status_code == 201
    assert_problem(await api.post(KEYS, json=WANTED, headers=admin.headers), 409, "conflict")


async def test_an_unknown_key_is_not_found(api: httpx.AsyncClient, admin: Made) -> None:
    for key_id in ("nothing", "x", "a%20b", "%00abc", "é" * 5):
        assert_problem(await api.delete(f"{KEYS}/{key_id}", headers=admin.headers), 404, "not_found")
        rotate = await api.post(f"{KEYS}/{key_id}/rotate", json={}, headers=admin.headers)
        assert_problem(rotate, 404, "not_found")


async def test_without_a_secret_key_there_is_nothing_to_hash_with(
    settings: Settings, stores: Stores, registry: Registry
) -> None:
    keyless = settings.model_copy(update={"secret_key": None})
    app: FastAPI = build(keyless, registry)
    app.state.house = House(stores, registry, keyless)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOOPBACK_URL) as api:
        assert_problem(await api.post(KEYS, json={"name": "x", "scopes": ["admin"]}), 422, "not_available")


async def test_the_last_use_is_kept_once_a_minute(
    api: httpx.AsyncClient, stores: Stores, admin: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.auth.NOTE_SECONDS", 0.01)
    used = "SELECT last_used_at FROM api_keys WHERE id = :id"
    assert await execute(stores, used, id=admin.id) == [None]
    door = Authenticator(verify=authenticate)
    noting = asyncio.create_task(door.note_for_ever(stores))
    try:
        await door.principal(stores, f"Bearer {admin.token}")
        async with asyncio.timeout(10):
            while (await execute(stores, used, id=admin.id)) == [None]:  # noqa: ASYNC110 - nothing tells of it
                await asyncio.sleep(0.01)
        [first] = await execute(stores, used, id=admin.id)
        await issuing.note_used(stores, [admin.id])
        assert await execute(stores, used, id=admin.id) == [first], "another process noted it just now"
    finally:
        await end(noting)
