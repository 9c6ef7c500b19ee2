"""Keyset cursors: where a page ended, opaque to the reader and of no use to anybody who edits one."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Protocol, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from service.problems import Problem
from service.views import json_answer
from shared.settings import Settings

DEFAULT_LIMIT, MAX_LIMIT = 50, 200
TAG_BYTES = 8
# A cursor opens nothing (the tenant is in every statement): without a secret the tag catches accidents.
UNKEYED = b"taskrunner cursor"

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many to return.")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before.")]


class Listed(Protocol):
    """What a list is made of; ids sort as the list does."""

    @property
    def id(self) -> UUID: ...


Entry = TypeVar("Entry", bound=Listed)


class Cursors:
    """Makes and reads the cursors of one list."""

    def __init__(self, settings: Settings, list_name: str) -> None:
        secret = settings.secret_key
        base = secret.get_secret_value().encode() if secret else UNKEYED
        self._key = hashlib.sha256(base + b"\x00cursor\x00" + list_name.encode()).digest()

    def write(self, last: UUID) -> str:
        return base64.urlsafe_b64encode(last.bytes + self._tag(last.bytes)).decode()

    def read(self, cursor: str | None) -> UUID | None:
        """Raises: Problem (400), where the cursor is not one that ``write`` made."""
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        body, tag = raw[:16], raw[16:]
        if len(body) != 16 or not hmac.compare_digest(tag, self._tag(body)):
            raise Problem("invalid_cursor", "Use next_cursor as it was given, or leave cursor out.")
        return UUID(bytes=body)

    def page(
        self, request: Request, path: str, found: Sequence[Entry], limit: int, view: Callable[[Entry], Any]
    ) -> Response:
        """The answer with at most ``limit`` of ``found``; one more in it tells that another page follows."""
        return self.cut_page(request, path, found[:limit], view, has_more=len(found) > limit)

    def cut_page(
        self, request: Request, path: str, shown: Sequence[Entry], view: Callable[[Entry], Any], *, has_more: bool
    ) -> Response:
        """The answer with all of ``shown``, where it is known already whether another page follows."""
        next_cursor = self.write(shown[-1].id) if has_more else None
        headers = next_link(path, request.query_params.multi_items(), next_cursor) if next_cursor else None
        return json_answer({"data": [view(entry) for entry in shown], "next_cursor": next_cursor}, headers=headers)

    def _tag(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:TAG_BYTES]


def next_link(path: str, query: Sequence[tuple[str, str]], cursor: str) -> Mapping[str, str]:
    """The ``Link`` header to the page at ``cursor``, with every other parameter kept."""
    kept = [(name, value) for name, value in query if name != "cursor"]
    return {"Link": f'<{path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}
