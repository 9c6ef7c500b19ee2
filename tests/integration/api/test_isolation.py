"""Every route of the OpenAPI document, asked by strangers, by keys with too little scope, and by another tenant.

Nothing here names a route: one that is new is held to the same, with its own example as the body. What a path may name
stands in the fixture ``theirs``; a parameter of another name fails until it has something there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text

from shared.queue.stores import Stores
from tests.integration.api.operations import GUARDED, OPERATIONS, SHARED, Operation, asked, nothing, steady
from tests.support.keys import Headers, Made, bearer, key

SCOPES = ("read", "write", "admin")
BY_ITSELF = ("/health", "/metrics", "/api/v1/workers")
"""What moves with the heartbeat of a worker, and is nobody's own."""


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are made while the API serves."""
    monkeypatch.setattr("service.auth.TTL_SECONDS", 0.0)


def readable() -> Iterator[Operation]:
    yield from (o for o in GUARDED if o.method == "GET" and not o.streams and o.path not in BY_ITSELF)


async def seen(api: httpx.AsyncClient, theirs: dict[str, str], who: Headers) -> dict[str, Any]:
    """Everything the caller can read of ``theirs``."""
    found = {}
    for operation in readable():
        answer = await asked(api, operation, theirs, who)
        is_json = answer.headers["content-type"] == "application/json"
        found[str(operation)] = steady(answer.json()) if is_json else answer.text
    return found


async def test_an_absent_and_a_wrong_key_get_one_answer_everywhere(api: httpx.AsyncClient, admin: Made) -> None:
    wrong = [{}, bearer(f"trk_nobody.{'x' * 32}"), bearer(admin.token[:-1]), {"Authorization": "Basic eDp5"}]
    told = {}
    for operation in GUARDED:
        for headers in wrong:
            answer = await asked(api, operation, nothing(), headers)
            assert answer.headers.get("www-authenticate") == "Bearer", (str(operation), answer.text)
            told[str(steady(answer.json()))] = str(operation)
    assert len(told) == 1, told


async def test_nobody_from_elsewhere_is_served_anywhere_while_no_key_exists(app: FastAPI) -> None:
    here = "127.0.0.1"
    for client, server, host in (("203.0.113.9", here, here), (here, "192.0.2.1", here), (here, here, "api.example")):
        transport = httpx.ASGITransport(app, client=(client, 5))
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{server}", headers={"Host": host}) as far:
            for operation in OPERATIONS:
                forwarded = {
                    "X-Forwarded-For": "127.0.0.1",
                    "X-Forwarded-Host": "localhost",
                    "Forwarded": "for=127.0.0.1",
                }
                answer = await asked(far, operation, nothing(), forwarded)
                if operation.scope:
                    assert (answer.status_code, answer.json()["code"]) == (403, "anonymous_not_allowed"), operation
                else:
                    assert answer.status_code == 200, operation


async def test_too_little_scope_is_refused_and_enough_is_not(api: httpx.AsyncClient, stores: Stores) -> None:
    keys = {scope: await key(stores, scope) for scope in SCOPES}
    wrong = {}
    for operation in GUARDED:
        for scope in SCOPES:
            suffices = scope in {operation.scope, "admin"}
            if suffices and operation.streams:
                continue  # that it is let in is shown where its events are
            answer = await asked(api, operation, nothing(), keys[scope].headers)
            is_refused = answer.status_code == 403 and answer.json()["code"] == "forbidden"
            if is_refused is suffices or answer.status_code == 401 or answer.status_code >= 500:
                wrong[f"{operation} by {scope}"] = answer.text
    assert wrong == {}


async def test_another_tenants_things_are_as_unknown_as_those_of_nobody(
    api: httpx.AsyncClient, stores: Stores, admin: Made, theirs: dict[str, str]
) -> None:
    stranger = await key(stores, "admin", tenant="others")
    before = await seen(api, theirs, admin.headers)
    wrong: dict[str, object] = {}
    for operation in GUARDED:
        if operation.streams and not operation.names:
            continue  # that it is the tenant's alone is shown where its events are
        answer = await asked(api, operation, theirs, stranger.headers)
        if not operation.names - SHARED:
            shown = [name for name in theirs.keys() - SHARED if theirs[name] in answer.text]
            if shown or answer.status_code >= 500:
                wrong[str(operation)] = answer.text
            continue
        unknown = await asked(api, operation, nothing(), stranger.headers)
        if answer.status_code != 404 or steady(answer.json()) != steady(unknown.json()):
            wrong[str(operation)] = (answer.text, unknown.text)
    assert wrong == {}
    assert await seen(api, theirs, admin.headers) == before


async def test_the_owner_reads_what_the_stranger_could_not(
    api: httpx.AsyncClient, admin: Made, theirs: dict[str, str]
) -> None:
    """The names above are of things that are there: else the test before would show nothing."""
    for operation in readable():
        assert (await asked(api, operation, theirs, admin.headers)).status_code == 200, operation


async def test_what_all_tenants_share_takes_an_operator(
    api: httpx.AsyncClient, stores: Stores, admin: Made, theirs: dict[str, str]
) -> None:
    stranger = await key(stores, "admin", tenant="others")
    drain = f"/api/v1/workers/{theirs['worker_id']}/drain"
    assert (await api.post(drain, headers=stranger.headers)).status_code == 403
    async with stores.db.autocommit() as session:
        assert (await session.execute(text("SELECT state FROM workers"))).scalars().all() == ["running"]
    assert (await api.post(drain, headers=admin.headers)).status_code == 202
