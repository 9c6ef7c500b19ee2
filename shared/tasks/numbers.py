"""Numbers as task inputs take them: strict, finite, exact. Defines no task type."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

INT64_MAX = 2**63 - 1
"""Whole numbers stay within 64 bits: past that, JSON readers and columns disagree about them."""


def _no_whole_number(value: Any) -> Any:
    # As a float it would silently lose digits.
    if isinstance(value, int):
        raise ValueError("a whole number must fit in 64 bits")  # noqa: TRY004 — a TypeError would pass pydantic by
    return value


Whole = Annotated[int, Field(strict=True, ge=-INT64_MAX, le=INT64_MAX)]
Real = Annotated[float, Field(strict=True, allow_inf_nan=False), BeforeValidator(_no_whole_number)]
