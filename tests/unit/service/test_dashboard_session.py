"""Sessions of the dashboard: what a cookie must be to be believed, and for how long."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Scope

from service.dashboard.session import COOKIE, LIFE_SECONDS, Sessions, SignedSession, check_csrf, session_in
from service.problems import Problem
from shared.settings import Settings

SETTINGS = Settings(_env_file=None, secret_key="a secret of the tests")
NOW = 1_800_000_000.0


def sessions(settings: Settings = SETTINGS, now: float = NOW) -> Sessions:
    return Sessions(settings, clock=lambda: now)


def scope(method: str = "GET", **headers: str) -> Scope:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "method": method, "headers": pairs}


def test_a_session_is_read_as_it_was_begun() -> None:
    begun = sessions().begin("abcd1234")
    assert sessions().read(begun.value) == begun
    assert (begun.key_id, begun.expires_at) == ("abcd1234", int(NOW) + LIFE_SECONDS)


def test_a_session_ends_by_the_clock() -> None:
    begun = sessions().begin("abcd1234")
    assert sessions(now=NOW + LIFE_SECONDS - 1).read(begun.value) == begun
    assert sessions(now=NOW + LIFE_SECONDS).read(begun.value) is None


def test_another_secret_reads_nothing() -> None:
    begun = sessions().begin("abcd1234")
    assert sessions(SETTINGS.model_copy(update={"secret_key": None})).read(begun.value) is None
    other = Settings(_env_file=None, secret_key="another secret")
    assert sessions(other).read(begun.value) is None


@given(st.data())
def test_a_changed_cookie_is_no_session(data: st.DataObject) -> None:
    raw = bytearray(base64.urlsafe_b64decode(sessions().begin("abcd1234").value))
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] ^= data.draw(st.integers(1, 255))
    assert sessions().read(base64.urlsafe_b64encode(raw).decode()) is None


@given(st.text(max_size=200))
def test_any_text_is_read_without_a_crash(text: str) -> None:
    assert sessions().read(text) is None


def test_two_sessions_of_a_key_have_tokens_of_their_own() -> None:
    one, other = sessions().begin("abcd1234"), sessions().begin("abcd1234")
    assert one.csrf != other.csrf
    assert one.csrf not in one.value


@pytest.mark.parametrize("cookie", ["", "a=b", f"{COOKIE}=", f"{COOKIE}=x", f"x{COOKIE}=1; =;", f'{COOKIE}="\\"'])
def test_a_cookie_of_others_is_no_session(cookie: str) -> None:
    assert session_in(scope(cookie=cookie), SETTINGS) is None


def test_the_cookie_is_found_among_others() -> None:
    begun = Sessions(SETTINGS).begin("abcd1234")
    assert session_in(scope(cookie=f"a=b; {COOKIE}={begun.value}; c=d"), SETTINGS) == begun


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "given", [{}, {"x_csrf_token": ""}, {"x_csrf_token": "0" * 64}], ids=["none", "empty", "wrong"]
)
def test_what_changes_something_needs_the_token(method: str, given: dict[str, Any]) -> None:
    session = sessions().begin("abcd1234")
    with pytest.raises(Problem) as refused:
        check_csrf(scope(method, **given), session)
    assert (refused.value.status_code, refused.value.code) == (403, "csrf_refused")
    check_csrf(scope(method, x_csrf_token=session.csrf), session)
    check_csrf(scope("GET", **given), session)


def test_a_session_needs_the_secret() -> None:
    with pytest.raises(Problem) as refused:
        Sessions(SETTINGS.model_copy(update={"secret_key": None})).begin("abcd1234")
    assert refused.value.code == "not_available"


def test_a_session_tells_no_secret() -> None:
    begun: SignedSession = sessions().begin("abcd1234")
    assert b"a secret of the tests" not in base64.urlsafe_b64decode(begun.value)
