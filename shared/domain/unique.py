"""The unique key of a task: two tasks of one type and key mean the same work. Says what the key is, not who has it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import orjson
from pydantic import BaseModel

from shared.domain.errors import InputRefused, describe

MOST_CHARACTERS = 255
Unique = tuple[str, ...] | Callable[[Any], str | None]
"""Names of input fields that make the key together; or what gives it for an input, None for one that has none."""


def key_of(unique: Unique | None, given: BaseModel) -> bytes | None:
    """The key of this input, as it is stored: a SHA-256. Raises: InputRefused, where the type gives none it can use."""
    if unique is None:
        return None
    if isinstance(unique, tuple):
        chosen = given.model_dump(mode="json", include=set(unique))
        return hashlib.sha256(orjson.dumps(chosen, option=orjson.OPT_SORT_KEYS)).digest()
    try:
        text: Any = unique(given)  # it may give anything, whatever it was declared to
    except Exception as error:
        # A user's function may raise anything; whatever it is, nobody can say whether this task is there already.
        raise InputRefused([("", f"The type's unique key cannot be made: {describe(error, 200)}")]) from error
    if text is None:
        return None
    if not isinstance(text, str) or len(text) > MOST_CHARACTERS:
        raise InputRefused([("", f"The type's unique key must be a text of {MOST_CHARACTERS} characters at most.")])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
