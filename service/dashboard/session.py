"""Who sits before the dashboard: a signed cookie in the place of a key, and the token against forged requests.

A session names the key it was begun with and ends with it; nothing is stored. The cookie alone reads; whatever writes
must carry the CSRF token, which only a page of ours can have read. Keys themselves never reach a cookie.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.types import Scope

from service.problems import Problem
from shared.queue.keys import Principal, principal_of
from shared.queue.stores import Stores
from shared.settings import Settings

COOKIE = "taskrunner_session"
CSRF_HEADER = b"x-csrf-token"
LIFE_SECONDS = 12 * 3_600
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HEAD = struct.Struct(">Q16s")
MAC_BYTES = 32
PERSON = b"dashboard session\x00"


@dataclass(frozen=True, slots=True)
class SignedSession:
    """``value`` is what stands in the cookie, ``csrf`` what unsafe requests must repeat in a header."""

    key_id: str
    expires_at: int
    value: str
    csrf: str


class Sessions:
    """Makes and reads the sessions of one installation, whose secret signs them."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        secret = settings.secret_key
        self._key = hashlib.sha256(PERSON + secret.get_secret_value().encode()).digest() if secret else None
        self._clock = clock

    def begin(self, key_id: str) -> SignedSession:
        """Raises: Problem (422) without TASKRUNNER_SECRET_KEY."""
        if self._key is None:
            raise Problem("not_available", "Sessions are signed: set TASKRUNNER_SECRET_KEY.")
        expires_at = int(self._clock()) + LIFE_SECONDS
        return self._session(HEAD.pack(expires_at, secrets.token_bytes(16)) + key_id.encode())

    def read(self, value: str) -> SignedSession | None:
        """The session of a cookie; None where it is forged, cut, or over."""
        if self._key is None:
            return None
        try:
            raw = base64.urlsafe_b64decode(value.encode("ascii", "replace"))
        except (binascii.Error, ValueError):
            return None
        body, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        if len(body) <= HEAD.size or not hmac.compare_digest(mac, self._mac(b"cookie", body)):
            return None
        session = self._session(body)
        return session if session.expires_at > self._clock() else None

    def _session(self, body: bytes) -> SignedSession:
        expires_at, _ = HEAD.unpack_from(body)
        value = base64.urlsafe_b64encode(body + self._mac(b"cookie", body)).decode()
        csrf = self._mac(b"csrf", body).hex()
        return SignedSession(body[HEAD.size :].decode(), expires_at, value, csrf)

    def _mac(self, purpose: bytes, body: bytes) -> bytes:
        assert self._key is not None  # noqa: S101 # nosec B101 # both callers have looked
        return hmac.digest(self._key, purpose + b"\x00" + body, "sha256")


def session_in(scope: Scope, settings: Settings) -> SignedSession | None:
    """The session of the request's cookie, if it has a valid one."""
    for name, text in scope["headers"]:
        if name == b"cookie" and COOKIE.encode() in text:
            try:
                found = SimpleCookie(text.decode("latin-1")).get(COOKIE)
            except CookieError:
                return None
            return Sessions(settings).read(found.value) if found else None
    return None


async def principal_in(scope: Scope, stores: Stores) -> Principal | None:
    """Who asks by cookie; None: nobody does, or the key is no more. Raises: Problem (403) without the CSRF token."""
    session = session_in(scope, stores.settings)
    if session is None:
        return None
    check_csrf(scope, session)
    return await principal_of(stores, session.key_id)


def check_csrf(scope: Scope, session: SignedSession) -> None:
    """Raises: Problem (403) where an unsafe request does not repeat the session's token."""
    if scope["method"] in SAFE_METHODS:
        return
    given = next((value for name, value in scope["headers"] if name == CSRF_HEADER), b"")
    if not hmac.compare_digest(given, session.csrf.encode()):
        raise Problem("csrf_refused", "A request by cookie that changes something needs the X-CSRF-Token header.")
