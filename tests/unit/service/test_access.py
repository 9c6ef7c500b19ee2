"""While no key exists only loopback is served, and nothing a request says about itself widens that."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

import pytest
from starlette.types import Receive, Scope, Send

from service.auth import TTL_SECONDS, Authenticator, may
from service.middleware.access import Access, came_over_loopback
from service.problems import Problem
from shared.queue.keys import LOCAL, Principal
from shared.queue.stores import Stores
from shared.settings import Settings

READER = Principal(7, frozenset({"read"}), "abcd")
TOKEN = "trk_abcd.0123456789abcdef"


class Door:
    """``Access`` over a fake answer of the key verbs, and what reached the other side."""

    def __init__(self, *, has_keys: bool, origins: tuple[str, ...] = (), metrics_public: bool = False) -> None:
        self.now = 0.0
        self.asked = 0
        self.has_keys = has_keys
        self.passed: list[Scope] = []
        authenticator = Authenticator(verify=self._verify, any_key=self._any, clock=lambda: self.now)
        self._access = Access(self._app, authenticator=authenticator, origins=origins, metrics_public=metrics_public)

    async def enter(self, scope: Scope) -> Principal | None:
        await self._access(scope, cast("Receive", None), cast("Send", None))
        assert self.passed[-1] is scope
        return cast("Principal | None", scope["state"].get("principal"))

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.passed.append(scope)

    async def _any(self, stores: Stores) -> bool:
        self.asked += 1
        return self.has_keys

    async def _verify(self, stores: Stores, token: str) -> Principal | None:
        self.asked += 1
        return READER if token == TOKEN else None


class Anything:
    """Stands for the app and its house: only the settings are looked at."""

    settings = Settings(_env_file=None)

    def __getattr__(self, name: str) -> Anything:
        return self


def scope(path: str = "/api/v1/tasks", method: str = "GET", *, host: str | None = "localhost", **given: Any) -> Scope:
    headers = [(b"host", host.encode())] if host is not None else []
    headers += [(name.encode(), value.encode()) for name, value in given.pop("headers", {}).items()]
    whole = {"client": ("127.0.0.1", 5), "server": ("127.0.0.1", 8000), **given}
    return {"type": "http", "path": path, "method": method, "headers": headers, "state": {}, "app": Anything(), **whole}


STRANGERS = [
    {"client": ("203.0.113.9", 5)},
    {"client": ("192.168.1.5", 5), "headers": {"x-forwarded-for": "127.0.0.1", "forwarded": "for=127.0.0.1"}},
    {"server": ("0.0.0.0", 8000)},  # noqa: S104 - an address to refuse
    {"server": ("192.168.1.5", 8000)},
    {"server": ("/run/api.sock", None), "client": None},
    {"host": "evil.example"},
    {"host": "localhost.evil.example"},
    {"host": "127.0.0.1.evil.example:8000"},
    {"host": "user@localhost"},
    {"host": ""},
    {"host": None},
    {"headers": {"host": "evil.example"}},  # a second Host
]


@pytest.mark.parametrize("told", STRANGERS, ids=str)
async def test_a_stranger_is_refused_while_no_key_exists(told: dict[str, Any]) -> None:
    for path in ("/api/v1/tasks", "/health", "/docs", "/openapi.json", "/nowhere"):
        with pytest.raises(Problem) as refused:
            await Door(has_keys=False).enter(scope(path, **told))
        assert (refused.value.status_code, refused.value.code) == (403, "anonymous_not_allowed")


@pytest.mark.parametrize("host", ["localhost", "LocalHost:8000", "127.0.0.1:1", "[::1]:8000", "[::1]"])
@pytest.mark.parametrize("client", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
async def test_loopback_is_everything_while_no_key_exists(host: str, client: str) -> None:
    assert await Door(has_keys=False).enter(scope(host=host, client=(client, 5))) == LOCAL


@pytest.mark.parametrize("told", STRANGERS, ids=str)
async def test_probes_are_answered_to_everyone(told: dict[str, Any]) -> None:
    for path in ("/health/live", "/health/ready"):
        await Door(has_keys=False).enter(scope(path, **told))


async def test_a_page_of_another_site_cannot_post_through_the_browser() -> None:
    door = Door(has_keys=False, origins=("https://app.example",))
    for origin in ("https://evil.example", "null", "http://localhost.evil.example"):
        with pytest.raises(Problem):
            await door.enter(scope(method="POST", headers={"origin": origin}))
    for origin in ("https://app.example", "http://localhost:3000"):
        assert await door.enter(scope(method="POST", headers={"origin": origin})) == LOCAL


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer trk_abcd.wrongwrongwrong1", f"Basic {TOKEN}", TOKEN, "Bearer x", f"Bearer {TOKEN}x"],
)
async def test_absent_and_wrong_keys_read_the_same(authorization: str | None) -> None:
    headers = {} if authorization is None else {"authorization": authorization}
    with pytest.raises(Problem) as refused:
        await Door(has_keys=True).enter(scope(headers=headers))
    problem = refused.value
    assert (problem.status_code, problem.headers) == (401, {"WWW-Authenticate": "Bearer"})
    assert problem.detail == "Send a valid key: Authorization: Bearer trk_<id>.<secret>"


async def test_a_key_serves_from_anywhere_once_one_exists() -> None:
    told = scope(client=("203.0.113.9", 5), host="api.example", headers={"authorization": f"bearer {TOKEN}"})
    assert await Door(has_keys=True).enter(told) == READER
    assert await Door(has_keys=True).enter(scope("/docs", host="api.example")) is None


async def test_health_needs_a_key_unless_metrics_are_public() -> None:
    with pytest.raises(Problem):
        await Door(has_keys=True).enter(scope("/health"))
    found = await Door(has_keys=True, metrics_public=True).enter(scope("/health", client=("203.0.113.9", 5)))
    assert found is not None
    assert found.scopes == {"read"}


async def test_what_the_store_said_is_remembered_for_two_seconds_only() -> None:
    door = Door(has_keys=True)
    keyed = {"authorization": f"Bearer {TOKEN}"}
    for _ in range(5):
        await door.enter(scope(headers=keyed))
    assert door.asked == 2  # once whether a key exists, once whose this one is
    door.now += TTL_SECONDS
    await door.enter(scope(headers=keyed))
    assert door.asked == 4


async def test_made_up_keys_push_no_real_one_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.auth.REMEMBERED", 3)
    door = Door(has_keys=True)
    await door.enter(scope(headers={"authorization": f"Bearer {TOKEN}"}))
    for number in range(10):
        with pytest.raises(Problem):
            await door.enter(scope(headers={"authorization": f"Bearer trk_abcd.{number:016}"}))
    asked = door.asked
    await door.enter(scope(headers={"authorization": f"Bearer {TOKEN}"}))
    with pytest.raises(Problem):
        await door.enter(scope(headers={"authorization": f"Bearer trk_abcd.{number:016}"}))
    assert door.asked == asked, "neither the real nor the last wrong one was asked about again"


async def test_a_key_that_was_let_in_is_noted_and_a_wrong_one_is_not() -> None:
    authenticator = Authenticator(verify=Door(has_keys=True)._verify)
    for token in (TOKEN, TOKEN, "trk_abcd.wrongwrongwrong1"):
        with suppress(Problem):
            await authenticator.principal(cast("Stores", Anything()), f"Bearer {token}")
    assert authenticator.used == {"abcd"}


@pytest.mark.parametrize(
    ("scopes", "wanted", "allowed"),
    [
        ({"read"}, "read", True),
        ({"read"}, "write", False),
        ({"write"}, "read", False),
        ({"admin"}, "write", True),
        ({"read", "write"}, "admin", False),
        (set(), "read", False),
    ],
)
def test_a_scope_allows_what_it_names_and_admin_everything(scopes: set[str], wanted: str, allowed: bool) -> None:
    assert may(Principal(1, frozenset(scopes)), wanted) is allowed


def test_a_request_without_addresses_came_from_nowhere_known() -> None:
    assert not came_over_loopback(scope(client=None))
    assert not came_over_loopback(scope(server=None))
    assert not came_over_loopback(scope(client=("localhost", 5)))
