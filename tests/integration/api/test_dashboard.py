"""The dashboard's files and sessions: the strictest headers, a cookie in the place of a key, and no forged request."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from sqlalchemy import text

from service.dashboard.files import FILES
from service.dashboard.session import COOKIE
from shared.db.statements import keys as statements
from shared.db.statements.keys import StoredKey
from shared.queue.keys import keyed_hash
from shared.queue.stores import Stores
from shared.settings import Settings
from tests.integration.api.conftest import LOOPBACK_URL, SUM, assert_problem

SESSION = "/dashboard/session"
SECRET = "0123456789abcdef0123456789abcdef"
TASKS = "/api/v1/tasks"


@pytest_asyncio.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """A caller on loopback that keeps cookies, as a browser does."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOOPBACK_URL) as client:
        yield client


@pytest_asyncio.fixture
async def key(stores: Stores, settings: Settings) -> str:
    """An admin key: from now on all need one."""
    async with stores.db.autocommit() as session:
        stored = StoredKey("adminkey", 1, frozenset({"admin"}), keyed_hash(settings, SECRET))
        assert await statements.insert(session, stored, name="admin")
    return f"trk_adminkey.{SECRET}"


async def signed_in(browser: httpx.AsyncClient, key: str) -> dict[str, str]:
    answer = await browser.post(SESSION, json={"key": key}, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status_code == 200, answer.text
    return {"X-CSRF-Token": answer.json()["csrf"]}


@pytest.mark.parametrize("path", ["/", "/dashboard/js/main.js", "/dashboard/css/base.css", "/dashboard/icon.svg"])
async def test_a_file_comes_with_the_strictest_headers(browser: httpx.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 200
    kind = {"/": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}[
        path.rpartition(".")[2]
    ]
    assert answer.headers["content-type"].startswith(kind)
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    for rule in ("default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-cache"
    again = await browser.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    head = await browser.head(path)
    assert (head.status_code, head.headers["etag"]) == (200, answer.headers["etag"])


async def test_every_file_is_served_with_its_type(browser: httpx.AsyncClient) -> None:
    for name, file in FILES.items():
        answer = await browser.get(f"/dashboard/{name}")
        assert (answer.status_code, answer.content) == (200, file.content)


@pytest.mark.parametrize(
    "path",
    ["", "nothing.js", "../session.py", "%2e%2e/session.py", "..%2fsession.py", "js/../../files.py", "js", "js/%00"],
)
async def test_no_path_leads_out_of_the_folder(browser: httpx.AsyncClient, path: str) -> None:
    assert_problem(await browser.get(f"/dashboard/{path}"), 404, "not_found")


async def test_without_keys_loopback_needs_no_sign_in(browser: httpx.AsyncClient) -> None:
    told = (await browser.get(SESSION)).json()
    assert (told["state"], told["key_id"], told["scopes"]) == ("open", None, ["admin", "read", "write"])


async def test_another_host_name_is_refused_while_no_key_exists(browser: httpx.AsyncClient) -> None:
    for path in ("/", SESSION):
        assert_problem(await browser.get(path, headers={"Host": "evil.example"}), 403, "anonymous_not_allowed")


async def test_a_key_is_exchanged_for_a_session(browser: httpx.AsyncClient, key: str) -> None:
    assert (await browser.get(SESSION)).json() == {"state": "signed_out"}
    assert_problem(await browser.get(TASKS), 401, "unauthorized")
    answer = await browser.post(SESSION, json={"key": key})
    cookie = answer.headers["set-cookie"]
    for part in (f"{COOKIE}=", "HttpOnly", "SameSite=strict", "Path=/", "Max-Age=43200"):
        assert part in cookie
    assert "Secure" not in cookie
    assert answer.headers["cache-control"] == "no-store"
    assert SECRET not in answer.text + cookie
    told = (await browser.get(SESSION)).json()
    assert (told["state"], told["key_id"], told["scopes"]) == ("signed_in", "adminkey", ["admin"])
    assert (await browser.get(TASKS)).status_code == 200
    csrf = {"X-CSRF-Token": told["csrf"]}
    assert (await browser.post(TASKS, json=SUM, headers=csrf)).status_code == 201


async def test_on_https_the_cookie_is_secure(app: FastAPI, key: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://127.0.0.1") as browser:
        assert "Secure" in (await browser.post(SESSION, json={"key": key})).headers["set-cookie"]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=LOOPBACK_URL) as behind_a_proxy:
        answer = await behind_a_proxy.post(SESSION, json={"key": key}, headers={"Origin": "https://tasks.example"})
        assert "Secure" in answer.headers["set-cookie"]


async def test_by_cookie_nothing_changes_without_the_token(browser: httpx.AsyncClient, key: str) -> None:
    csrf = await signed_in(browser, key)
    for headers in ({}, {"X-CSRF-Token": "0" * 64}):
        assert_problem(await browser.post(TASKS, json=SUM, headers=headers), 403, "csrf_refused")
        assert_problem(await browser.delete(SESSION, headers=headers), 403, "csrf_refused")
    assert (await browser.get(TASKS)).json()["data"] == []
    assert (await browser.post(TASKS, json=SUM, headers=csrf)).status_code == 201


async def test_a_key_in_the_header_wins_over_the_cookie(browser: httpx.AsyncClient, key: str) -> None:
    await signed_in(browser, key)
    keyed = {"Authorization": f"Bearer {key}"}
    assert (await browser.post(TASKS, json=SUM, headers=keyed)).status_code == 201
    assert_problem(await browser.get(TASKS, headers={"Authorization": "Bearer nonsense"}), 401, "unauthorized")


async def test_signing_out_forgets_the_cookie(browser: httpx.AsyncClient, key: str) -> None:
    csrf = await signed_in(browser, key)
    assert (await browser.delete(SESSION, headers=csrf)).status_code == 204
    assert COOKIE not in browser.cookies
    assert_problem(await browser.get(TASKS), 401, "unauthorized")


async def test_a_session_ends_with_its_key(browser: httpx.AsyncClient, key: str, stores: Stores) -> None:
    await signed_in(browser, key)
    async with stores.db.autocommit() as session:
        await session.execute(text("UPDATE api_keys SET revoked_at = now()"))
    assert_problem(await browser.get(TASKS), 401, "unauthorized")
    assert (await browser.get(SESSION)).json() == {"state": "signed_out"}


async def test_wrong_keys_and_other_sites_do_not_sign_in(browser: httpx.AsyncClient, key: str) -> None:
    for wrong in ("nonsense", f"trk_adminkey.{SECRET[::-1]}", f"trk_nokey.{SECRET}"):
        answer = await browser.post(SESSION, json={"key": wrong})
        assert_problem(answer, 401, "unauthorized")
        assert "set-cookie" not in answer.headers
    foreign = await browser.post(SESSION, json={"key": key}, headers={"Sec-Fetch-Site": "cross-site"})
    assert_problem(foreign, 403, "csrf_refused")
    assert_problem(await browser.post(SESSION, json={}), 422, "validation_error")
    as_form = await browser.post(SESSION, data={"key": key})
    assert_problem(as_form, 415, "unsupported_media_type")
