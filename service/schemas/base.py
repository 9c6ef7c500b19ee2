"""What all requests and answers share: strictness inbound, one spelling of times and ids."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

# RFC 3339: a full date, a time and an offset; fromisoformat alone takes week dates and more.
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)")

FIRST_YEAR, LAST_YEAR = 1970, 2999
OUT_OF_RANGE = f"The time is out of range: give one of the years {FIRST_YEAR} to {LAST_YEAR}"


class Inbound(BaseModel):
    """Base of request bodies: unknown fields and wrong JSON types are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class View(BaseModel):
    """Base of answers, for the OpenAPI document; views are written as plain dicts, and tests hold them to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def instant(value: Any) -> Any:
    """An RFC 3339 text as an aware UTC time. Raises: ValueError."""
    if value is None or isinstance(value, datetime):
        return value
    if not isinstance(value, str) or not RFC3339.fullmatch(value):
        raise ValueError("Give an RFC 3339 time with its offset, such as 2030-01-31T12:00:00Z")
    try:
        # Python reads six digits of a second at most.
        read = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value.upper())).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(OUT_OF_RANGE) from None
    # The driver stores the first and the last time Python knows as infinities.
    if not FIRST_YEAR <= read.year <= LAST_YEAR:
        raise ValueError(OUT_OF_RANGE)
    return read


Instant = Annotated[
    datetime, BeforeValidator(instant), WithJsonSchema({"type": "string", "format": "date-time"}, mode="validation")
]
Name = Annotated[str, Field(min_length=1, max_length=63)]
Tag = Annotated[str, Field(min_length=1, max_length=128)]
# Query texts reach the database, which takes no NUL.
FilterText = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]+$")]
JsonObject = dict[str, Any]
NextCursor = Annotated[str | None, Field(description="The `cursor` of the next page; null on the last.")]
