"""Workflows put together from steps: ``chain`` one after the other, ``group`` side by side, as deep as you like.

    report = chain(group(step("clean", name="a"), step("clean", name="b")), step("merge", {"rows": result_of("a")}))

No I/O. ``tasks_of`` makes of it what ``POST /workflows`` takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, Unpack

from service.client.verbs import TaskOptions


@dataclass(frozen=True, slots=True)
class Step:
    """One task. Without a ``name`` it is called after its type."""

    type: str
    input: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    on_failure: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chain:
    """Parts that run one after the other: each when the one before has ended."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Parts that run side by side; what comes after waits for all of them."""

    parts: tuple[Part, ...]


Part: TypeAlias = Step | Chain | Group


def step(
    type: str,
    input: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    on_failure: str | None = None,
    **options: Unpack[TaskOptions],
) -> Step:
    """A task of a workflow. ``on_failure="continue"`` runs it even if one before it did not complete."""
    return Step(type, input or {}, name, on_failure, {k: v for k, v in options.items() if v is not None})


def chain(*parts: Part) -> Chain:
    """One after the other."""
    return Chain(parts)


def group(*parts: Part) -> Group:
    """Side by side."""
    return Group(parts)


def result_of(name: str, path: str = "") -> dict[str, str]:
    """The result of the step ``name``, or what stands at ``path`` (a JSON pointer) in it: a value for an input."""
    return {"$from": name, "path": f"/result{path}"}


def tasks_of(part: Part) -> dict[str, dict[str, Any]]:
    """The tasks by name, each with what it comes after. Raises: ValueError, where two steps have one name."""
    given = [one.name for one in _steps(part) if one.name is not None]
    if doubles := {name for name in given if given.count(name) > 1}:
        raise ValueError(f"two steps are named {min(doubles)!r}")
    tasks: dict[str, dict[str, Any]] = {}
    _add(part, [], tasks, set(given))
    return tasks


def _add(part: Part, after: list[str], tasks: dict[str, dict[str, Any]], taken: set[str]) -> list[str]:
    """Add the tasks of ``part``; returns those that what follows must wait for."""
    match part:
        case Step():
            name = part.name or _free_name(part.type, taken)
            taken.add(name)
            rest = {"after": after, "on_failure": part.on_failure}
            tasks[name] = {"type": part.type, "input": dict(part.input), **part.options}
            tasks[name] |= {key: value for key, value in rest.items() if value}
            return [name]
        case Chain():
            for one in part.parts:
                after = _add(one, after, tasks, taken)
            return after
        case Group():
            return [name for one in part.parts for name in _add(one, after, tasks, taken)] or after


def _free_name(type: str, taken: set[str]) -> str:
    number = 1
    while (name := type if number == 1 else f"{type}-{number}") in taken:
        number += 1
    return name


def _steps(part: Part) -> Iterator[Step]:
    if isinstance(part, Step):
        yield part
    else:
        for one in part.parts:
            yield from _steps(one)
