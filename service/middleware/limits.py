"""Size and kind of a request, checked before anybody parses it."""

from __future__ import annotations

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import Problem

URL_BYTES = 8_192
HEADER_BYTES = 16_384
BODY_BYTES = 1_048_576
BATCH_BYTES = 32 * 1_048_576
# Boundaries and part headers around the one file.
MULTIPART_OVERHEAD = 65_536
LARGE_PATHS = frozenset({"/api/v1/tasks/batch", "/api/v1/workflows"})
FILES_PATH = "/api/v1/files"
SINGLE = (b"host", b"content-type", b"content-length", b"content-encoding", b"authorization", b"idempotency-key")
"""Fields of which a proxy in front may have read another than we do, where there are two."""
BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods whose routes never read a body."""
# Parameters may follow, but no charset other than UTF-8. Possessive: blanks given back would hide a charset.
JSON_TYPE = re.compile(
    rb"application/(?:json|[\w.!#$&^+-]+\+json)[ \t]*+"
    rb"(?:;[ \t]*+(?!charset[ \t]*+=(?![ \t]*+(?:utf-8|\"utf-8\")[ \t]*+(?:;|\Z)))[^;]*+)*+",
    re.IGNORECASE,
)
MULTIPART_TYPE = re.compile(rb"multipart/form-data[ \t]*;.*", re.IGNORECASE | re.DOTALL)


class Limits:
    """Refuses by URL, header fields, media type and length; checks a body again while it streams in."""

    def __init__(self, app: ASGIApp, *, max_upload_bytes: int) -> None:
        self.app = app
        self._upload_bytes = max_upload_bytes + MULTIPART_OVERHEAD

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        _check_url(scope)
        fields = _check_headers(scope)
        length = fields.get(b"content-length", b"0")
        is_announced = length != b"0" or b"transfer-encoding" in fields
        if not is_announced and scope["method"] in BODILESS:
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        wanted = MULTIPART_TYPE if path == FILES_PATH else JSON_TYPE
        limit = self._limit_of(path)
        if is_announced:
            _check_media_type(fields, wanted)
        # Eighteen digits are enough to be too many, and int() refuses thousands of them.
        if length.isdigit() and int(length[:18]) > limit:
            raise _too_large(limit)
        await self.app(scope, _checked(receive, fields, wanted, limit), send)

    def _limit_of(self, path: str) -> int:
        if path in LARGE_PATHS:
            return BATCH_BYTES
        return self._upload_bytes if path == FILES_PATH else BODY_BYTES


def _check_url(scope: Scope) -> None:
    path = scope.get("raw_path") or scope["path"].encode()
    if len(path) + len(scope["query_string"]) + 1 > URL_BYTES:
        raise Problem("uri_too_long", f"Path and query together may have {URL_BYTES} bytes.")


def _check_headers(scope: Scope) -> dict[bytes, bytes]:
    """The fields by name, once their sum is known to be small enough."""
    total, fields = 0, {}
    for name, value in scope["headers"]:
        total += len(name) + len(value) + 4  # ": " and the line's end
        fields[name] = value
    if total > HEADER_BYTES:
        raise Problem("headers_too_large", f"All header fields together may have {HEADER_BYTES} bytes.")
    if len(fields) != len(scope["headers"]):
        _refuse_twins([name for name, _ in scope["headers"]])
    version = scope.get("http_version")
    if version == "0.9" or (version == "1.1" and b"host" not in fields):
        raise Problem("bad_request", "Send HTTP/1.1 with a Host, or HTTP/1.0.")
    return fields


def _refuse_twins(names: list[bytes]) -> None:
    for name in SINGLE:
        if names.count(name) > 1:
            raise Problem("bad_request", f"There may be one {name.decode().title()}.")


def _check_media_type(fields: dict[bytes, bytes], wanted: re.Pattern[bytes]) -> None:
    if fields.get(b"content-encoding", b"identity").strip().lower() not in {b"identity", b""}:
        raise Problem("unsupported_media_type", "Send the body as it is, without Content-Encoding.")
    if not wanted.fullmatch(fields.get(b"content-type", b"").strip()):
        kind = "application/json" if wanted is JSON_TYPE else "multipart/form-data"
        raise Problem("unsupported_media_type", f"Send the body as {kind}, and say so in Content-Type.")


def _checked(receive: Receive, fields: dict[bytes, bytes], wanted: re.Pattern[bytes], limit: int) -> Receive:
    """``receive``, ending with a 413 as soon as more than ``limit`` bytes have come, or a 415 with the first of them.

    HTTP/2 needs neither a length nor a transfer coding to send a body: the head alone does not tell.
    """
    seen = 0

    async def checked() -> Message:
        nonlocal seen
        message = await receive()
        if message["type"] == "http.request" and (piece := message.get("body", b"")):
            if not seen:
                _check_media_type(fields, wanted)
            seen += len(piece)
            if seen > limit:
                raise _too_large(limit)
        return message

    return checked


def _too_large(limit: int) -> Problem:
    return Problem("payload_too_large", f"The body may have {limit} bytes.")
