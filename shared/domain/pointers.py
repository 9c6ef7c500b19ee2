"""JSON pointers (RFC 6901): written from steps, read into steps."""

from __future__ import annotations

import re

POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")


def pointer(location: tuple[int | str, ...]) -> str:
    """The pointer to ``location``; a pydantic error has one."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def steps_of(text: str) -> tuple[str, ...]:
    """The steps that ``text`` takes. Raises: ValueError, where it is no pointer."""
    if not POINTER.fullmatch(text):
        raise ValueError("Give a JSON pointer, such as /result/rows.")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:])
