"""Take one guard away from the product, for a moment: as another text of a statement or of a function.

A mutation whose text is not found any more fails loudly: it would prove nothing.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol
from unittest.mock import patch

from sqlalchemy import TextClause, text

from shared.queue.stores import Stores


class Mutation(Protocol):
    """One guard that can be taken away; ``schema`` is what that takes in the database."""

    @property
    def schema(self) -> tuple[str, ...]: ...
    def taken_away(self) -> Iterator[None]: ...


@dataclass(frozen=True, slots=True)
class Sql:
    """Replace ``old`` by ``new`` in the statement ``where`` (``module:NAME``)."""

    where: str
    old: str
    new: str
    schema: tuple[str, ...] = ()

    def taken_away(self) -> Iterator[None]:
        module_name, name = self.where.split(":")
        module = import_module(module_name)
        statement: TextClause | str = getattr(module, name)
        if isinstance(statement, str):
            mutated: TextClause | str = _replaced(statement, self.old, self.new)
        else:
            mutated = text(_replaced(statement.text, self.old, self.new))
        with patch.object(module, name, mutated):
            yield


@dataclass(frozen=True, slots=True)
class Code:
    """Replace ``old`` by ``new`` in the source of the function or class ``where`` (``module:name``).

    ``used_in`` names the modules that have imported it.
    """

    where: str
    old: str
    new: str
    used_in: tuple[str, ...] = ()
    schema: tuple[str, ...] = ()

    def taken_away(self) -> Iterator[None]:
        module_name, name = self.where.split(":")
        module = import_module(module_name)
        source = textwrap.dedent(inspect.getsource(getattr(module, name)))
        names: dict[str, object] = dict(vars(module))
        exec("from __future__ import annotations\n" + _replaced(source, self.old, self.new), names)  # noqa: S102 - ours
        with ExitStack() as patched:
            for user in (module, *map(import_module, self.used_in)):
                patched.enter_context(patch.object(user, name, names[name]))
            yield


@dataclass(frozen=True, slots=True)
class Schema:
    """Run ``schema`` in the database alone."""

    schema: tuple[str, ...]

    def taken_away(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class Both:
    """Two guards that stand behind each other."""

    one: Mutation
    other: Mutation

    @property
    def schema(self) -> tuple[str, ...]:
        return self.one.schema + self.other.schema

    def taken_away(self) -> Iterator[None]:
        with contextmanager(self.one.taken_away)(), contextmanager(self.other.taken_away)():
            yield


@contextmanager
def without(mutation: Mutation) -> Iterator[None]:
    with contextmanager(mutation.taken_away)():
        yield


async def alter(stores: Stores, mutation: Mutation) -> None:
    """Take the guard out of the database: one that nobody else uses."""
    async with stores.db.transaction() as session:
        for statement in mutation.schema:
            await session.execute(text(statement))


def in_function(migration: str, name: str, old: str, new: str) -> Schema:
    """Replace ``old`` by ``new`` in a function of the database, as the module ``migration`` defines it."""
    texts = (each for value in vars(import_module(migration)).values() if isinstance(value, tuple) for each in value)
    [source] = [each for each in texts if f"FUNCTION {name}(" in each and "CREATE" in each]
    return Schema((_replaced(source, old, new).replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"),))


def _replaced(source: str, old: str, new: str) -> str:
    assert old in source, f"the guard {old!r} is not there any more: mutate the one that took its place"
    return source.replace(old, new)
