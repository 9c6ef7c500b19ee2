"""Bodies of the key routes: what may be asked, and what a key looks like from outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue

from service.schemas.base import Inbound, Instant, Name, View

LONGEST_OVERLAP = 30 * 86_400.0
ScopeName = Literal["read", "write", "admin"]
SCOPES = "`read` reads, `write` submits and changes, `admin` allows everything, keys too."

WANTED: dict[str, JsonValue] = {"name": "web-team", "scopes": ["read", "write"], "expires_at": "2030-01-31T12:00:00Z"}


class KeyRequest(Inbound):
    """A key to make for the caller's tenant."""

    model_config = ConfigDict(json_schema_extra={"examples": [WANTED]})

    name: Name = Field(description="For people: whose it is, what it is for.")
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=3)] = Field(description=SCOPES)
    expires_at: Instant | None = Field(default=None, description="When it ends by itself; null: never.")


class KeyRotation(Inbound):
    """How to put another key in its place. `{}` takes the default."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"overlap": 3_600}, {}]})

    overlap: Annotated[float, Field(ge=0, le=LONGEST_OVERLAP, allow_inf_nan=False)] | None = Field(
        default=None, description="Seconds that the old key works on; a day if null."
    )


class KeyView(View):
    """A key, without its secret."""

    id: str = Field(description="The part of the key before the dot.")
    name: str = Field(description="For people: whose it is, what it is for.")
    scopes: list[ScopeName] = Field(description="What it may do.")
    created_at: datetime = Field(description="When it was made.")
    expires_at: datetime | None = Field(description="When it ends by itself; null: never.")
    last_used_at: datetime | None = Field(description="To a minute or two; null: never.")
    replaced_by: str | None = Field(description="The id of the key it was rotated to.")


class IssuedKeyView(KeyView):
    """A key just made."""

    key: str | None = Field(description="The whole of it, shown this once: a replay of this answer has null.")


class KeyList(View):
    """The keys of a tenant."""

    data: list[KeyView] = Field(description="Newest first.")


CREATED = "2026-03-01T12:00:00.000000Z"
KEY: dict[str, Any] = {
    "id": "k3y1d0f2you7",
    "name": "web-team",
    "scopes": ["read", "write"],
    "created_at": CREATED,
    "expires_at": "2030-01-31T12:00:00.000000Z",
    "last_used_at": None,
    "replaced_by": None,
}
KEY_ISSUED = {**KEY, "key": f"trk_{KEY['id']}.{'0123456789abcdef' * 2}"}
KEY_ROTATED = {**KEY, "id": "k3y1d0f2you8", "key": f"trk_k3y1d0f2you8.{'fedcba9876543210' * 2}"}
