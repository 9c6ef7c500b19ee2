"""Every route of the OpenAPI document, asked by strangers, by keys with too little scope, and by another tenant.

Nothing here names a route: one that is new is held to the same, with its own example as the body. What a path may name
stands in ``theirs``; a parameter of another name fails until it has something there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from service.app import build
from shared.queue.stores import Stores
from shared.registry import discover
from shared.settings import Settings
from tests.integration.api.conftest import SUM
from tests.support.keys import Headers, Made, bearer, key
from tests.support.stores import registered

DOCUMENT: dict[str, Any] = json.loads(json.dumps(build(Settings(_env_file=None), discover()).openapi()))
SHARED = {"queue", "worker_id"}
"""What a path may name that is every tenant's: its effect is the caller's own, or it takes an operator."""
UNKNOWN = {"queue": "nowhere", "key_id": "nobody"}
MOVING = {"oldest_age", "throughput", "heartbeat_age", "request_id", "last_used_at", "instance"}
SCOPES = ("read", "write", "admin")


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    does: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def scope(self) -> str | None:
        return self.does["security"][0]["key"][0] if self.does["security"] else None

    @property
    def names(self) -> set[str]:
        return set(re.findall(r"\{(\w+)\}", self.path))

    @property
    def streams(self) -> bool:
        """Whether its answer has no end of its own."""
        return any("text/event-stream" in answer.get("content", ()) for answer in self.does["responses"].values())

    def request(self, values: dict[str, str]) -> dict[str, Any]:
        """Method, URL and a valid body, as the document's own example has it."""
        asked: dict[str, Any] = {"method": self.method, "url": self.path.format_map(values)}
        for kind, content in self.does.get("requestBody", {}).get("content", {}).items():
            example = content["example"] if "example" in content else examples_of(content["schema"])[0]
            asked |= {"files": example} if kind.startswith("multipart") else {"json": example}
        return asked


def examples_of(schema: dict[str, Any]) -> list[Any]:
    name = schema["$ref"].rpartition("/")[2]
    found: list[Any] = DOCUMENT["components"]["schemas"][name]["examples"]
    return found


OPERATIONS = [Operation(m.upper(), p, does) for p, ms in DOCUMENT["paths"].items() for m, does in ms.items()]
GUARDED = [operation for operation in OPERATIONS if operation.scope]


@pytest.fixture(autouse=True)
def nothing_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are made while the API serves."""
    monkeypatch.setattr("service.auth.TTL_SECONDS", 0.0)


@pytest_asyncio.fixture
async def admin(stores: Stores) -> Made:
    return await key(stores, "admin")


@pytest_asyncio.fixture
async def theirs(api: httpx.AsyncClient, stores: Stores, admin: Made) -> dict[str, str]:
    """One of everything that belongs to the tenant ``default``, by the name that paths give it."""
    worker = await registered(stores)

    async def made(path: str, **body: Any) -> Any:
        answer = await api.post(f"/api/v1/{path}", headers=admin.headers, **body)
        assert answer.is_success, answer.text
        return answer.json()

    task = await made("tasks", json={**SUM, "callback_url": "https://hooks.example/"})
    await made(f"tasks/{task['id']}/cancel")
    [delivery] = (await api.get(f"/api/v1/tasks/{task['id']}/deliveries", headers=admin.headers)).json()["data"]
    await made("queues/demo_tasks/pause")
    return {
        "task_id": task["id"],
        "file_id": (await made("files", files={"file": ("theirs.txt", b"theirs")}))["id"],
        "schedule_id": (await made("schedules", json={"name": "theirs", "every": 3_600, **SUM}))["id"],
        "delivery_id": delivery["id"],
        "key_id": (await made("keys", json={"name": "theirs", "scopes": ["read"]}))["id"],
        "queue": "demo_tasks",
        "worker_id": str(worker.worker_id),
    }


def nothing() -> dict[str, str]:
    """Names of what nobody has."""
    return {name: UNKNOWN.get(name, str(uuid4())) for operation in OPERATIONS for name in operation.names}


def steady(document: Any) -> Any:
    """Without what moves by itself."""
    match document:
        case dict():
            return {name: steady(value) for name, value in document.items() if name not in MOVING}
        case list():
            return [steady(value) for value in document]
        case _:
            return document


async def asked(api: httpx.AsyncClient, operation: Operation, values: dict[str, str], who: Headers) -> httpx.Response:
    return await api.request(**operation.request(values), headers=who)


def readable(theirs: dict[str, str]) -> Iterator[Operation]:
    yield from (o for o in GUARDED if o.method == "GET" and not o.streams and "/workers" not in o.path)


async def seen(api: httpx.AsyncClient, theirs: dict[str, str], who: Headers) -> dict[str, Any]:
    """Everything the caller can read of ``theirs``."""
    found = {}
    for operation in readable(theirs):
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
    for operation in readable(theirs):
        assert (await asked(api, operation, theirs, admin.headers)).status_code == 200, operation


async def test_what_all_tenants_share_takes_an_operator(
    api: httpx.AsyncClient, stores: Stores, admin: Made, theirs: dict[str, str]
) -> None:
    stranger = await key(stores, "admin", tenant="others")
    drain = f"/api/v1/workers/{theirs['worker_id']}/drain"
    assert (await api.post(drain, headers=stranger.headers)).status_code == 403
    assert (await api.get("/api/v1/workers", headers=admin.headers)).json()["data"][0]["state"] == "running"
    assert (await api.post(drain, headers=admin.headers)).status_code == 202
