"""Signing in to the dashboard and out of it: a key is exchanged for a session cookie at ``/dashboard/session``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from service.auth import Authenticator
from service.dashboard.session import COOKIE, LIFE_SECONDS, Sessions, SignedSession, check_csrf, session_in
from service.problems import Problem
from service.schemas.base import Inbound
from service.strict_route import StrictRoute
from service.views import json_answer
from shared.queue.keys import LOCAL, Principal, principal_of
from shared.queue.stores import Stores

router = APIRouter(prefix="/dashboard/session", include_in_schema=False, route_class=StrictRoute)

NO_STORE = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class SignIn(Inbound):
    key: str = Field(min_length=1, max_length=256, repr=False)


@router.get("")
async def read_session(request: Request) -> Response:
    """What the page asks first: whether it needs a key, and who it speaks for. Any answer is a 200."""
    stores = _stores(request)
    # The session first: that a key exists is known some two seconds late, and the maker of the first has one.
    session = session_in(request.scope, stores.settings)
    principal = await principal_of(stores, session.key_id) if session else None
    if session is not None and principal is not None:
        return json_answer(_view(session, principal), headers=NO_STORE)
    if await _authenticator(request).any_key_exists(stores):
        return json_answer({"state": "signed_out"}, headers=NO_STORE)
    return json_answer({"state": "open", **_rights(LOCAL)}, headers=NO_STORE)


@router.post("")
async def sign_in(request: Request, body: SignIn) -> Response:
    """Raises: Problem (401) for an absent and a wrong key alike, (403) where a page of another site asks."""
    _refuse_other_sites(request)
    stores = _stores(request)
    principal = await _authenticator(request).principal(stores, f"Bearer {body.key}")
    if principal.key_id is None:
        raise Problem("unauthorized", "Send a valid key.")
    session = Sessions(stores.settings).begin(principal.key_id)
    answer = json_answer(_view(session, principal), headers=NO_STORE)
    _set_cookie(request, answer, session.value, LIFE_SECONDS)
    return answer


@router.delete("", status_code=204)
async def sign_out(request: Request) -> Response:
    """Forgets the cookie. A valid session must prove that the page asks."""
    session = session_in(request.scope, _stores(request).settings)
    if session is not None:
        check_csrf(request.scope, session)
    answer = Response(status_code=204, headers=NO_STORE)
    _set_cookie(request, answer, "", 0)
    return answer


def _set_cookie(request: Request, answer: Response, value: str, seconds: int) -> None:
    # A browser on https says so in Origin, whatever a proxy in between forgot to say.
    is_https = request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
    answer.set_cookie(COOKIE, value, max_age=seconds, path="/", secure=is_https, httponly=True, samesite="strict")


def _refuse_other_sites(request: Request) -> None:
    """Browsers name where a request comes from; who is no browser holds the key anyway."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Problem("csrf_refused", "Only the dashboard's own page may sign in.")


def _view(session: SignedSession, principal: Principal) -> dict[str, Any]:
    expires_at = datetime.fromtimestamp(session.expires_at, UTC)
    return {"state": "signed_in", "csrf": session.csrf, "expires_at": expires_at, **_rights(principal)}


def _rights(principal: Principal) -> dict[str, Any]:
    """What the page may offer."""
    return {"key_id": principal.key_id, "scopes": sorted(principal.scopes)}


def _stores(request: Request) -> Stores:
    stores: Stores = request.app.state.house.stores
    return stores


def _authenticator(request: Request) -> Authenticator:
    authenticator: Authenticator = request.app.state.authenticator
    return authenticator
