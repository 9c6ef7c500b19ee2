"""Errors that cross the pipe: out as facts, in again as the nearest class a handler can catch.

Rebuilds builtins and the project's own errors, and refuses every other class: the side that
rebuilds imports nothing because the other side named it.
"""

from __future__ import annotations

import builtins
import traceback
from typing import Any, TypedDict

import shared.domain.errors
from shared.domain.errors import describe
from shared.domain.outcomes import Failed, failure_of
from worker.blocking.frames import is_plain

_HOMES: dict[str, Any] = {"builtins": builtins, "shared.domain.errors": shared.domain.errors}


class Carried(TypedDict):
    """What is left of an error on the pipe; plain data."""

    lineage: list[str]
    message: str
    arguments: list[Any]
    attributes: dict[str, Any]


def facts_of(error: BaseException) -> Failed:
    """``failure_of``, for whatever a handler may raise; memory that ran out is had back from its frames first."""
    traceback.clear_frames(error.__traceback__)
    return failure_of(error)


def carry(error: Exception) -> Carried:
    """``error`` as plain data; arguments and attributes that cannot cross are left behind."""
    # An OSError's file name is no part of its args.
    arguments = (*error.args, error.filename) if isinstance(error, OSError) and error.filename else error.args
    return Carried(
        lineage=[f"{c.__module__}.{c.__qualname__}" for c in type(error).__mro__],
        message=describe(error) or type(error).__name__,
        arguments=list(arguments) if is_plain(arguments) else [describe(error)],
        attributes={name: value for name, value in vars(error).items() if is_plain(value)},
    )


def rebuild(carried: Carried) -> Exception:
    """The error again, as the most derived of its classes that is a builtin or one of ours."""
    known = next((cls for name in carried["lineage"] if (cls := _known(name)) is not None), Exception)
    if known.__module__ != "builtins":
        # Not through __init__: each class has its own signature, its state is all there.
        ours = known.__new__(known)
        ours.args = tuple(carried["arguments"])
        vars(ours).update(carried["attributes"])
        return ours
    if carried["lineage"][0] != f"builtins.{known.__name__}":
        return known(f"{carried['lineage'][0].rpartition('.')[2]}: {carried['message']}")
    try:
        return known(*carried["arguments"])
    except TypeError:
        return RuntimeError(f"{known.__name__}: {carried['message']}")


def _known(name: str) -> type[Exception] | None:
    home, _, attribute = name.rpartition(".")
    found = getattr(_HOMES.get(home), attribute, None)
    return found if isinstance(found, type) and issubclass(found, Exception) else None
