"""Workflows: which graphs of tasks can be run, and what a node takes from those before it. Pure.

A node is named by its key among the ``tasks`` of a request; problems point into that request. What becomes of the
nodes as tasks end is decided by the database, in the statement that ends them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.domain.errors import InputRefused
from shared.domain.pointers import pointer, steps_of
from shared.domain.states import Status
from shared.domain.task import NewTask
from shared.domain.verdict import TaskError

MOST_NODES = 10_000
MOST_EDGES = 100_000
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
FROM, PATH = "$from", "path"
WHOLE_RESULT = "/result"
FIELDS = frozenset(
    {"id", "type", "queue", "status", "input", "result", "error", "attempt", "generation", "tags", "metadata"}
    | {"created_at", "started_at", "finished_at"}
)
"""What a reference may begin with: these fields of the view of the task before."""

Problem = tuple[str, str]


class OnFailure(StrEnum):
    """What becomes of a node of whose predecessors one did not complete."""

    CANCEL = "cancel"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True)
class Reference:
    """The value ``at`` this place of an input is what ``node`` has at ``path``."""

    at: tuple[str | int, ...]
    node: str
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Linked:
    """A node's place in the graph; ``after`` holds what its references imply, too."""

    after: tuple[str, ...]
    successors: tuple[str, ...]
    references: tuple[Reference, ...]


@dataclass(frozen=True, slots=True)
class NewNode:
    """A node planned and checked; its task gets an id of its own when it is released."""

    name: str
    task: NewTask
    on_failure: OnFailure
    linked: Linked


@dataclass(frozen=True, slots=True)
class NewWorkflow:
    """A workflow planned and checked, not yet stored."""

    id: UUID
    name: str | None
    nodes: list[NewNode]
    callback_url: str | None = None
    request_id: str | None = None
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Workflow:
    """One row of ``workflows``. ``has_begun``: some task of it is not PENDING any more."""

    id: UUID
    tenant_id: int
    name: str | None
    generation: int
    cancel_requested: bool
    total: int
    completed: int
    failed: int
    cancelled: int
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    has_begun: bool = True

    @property
    def done(self) -> int:
        return self.completed + self.failed + self.cancelled

    @property
    def status(self) -> Status:
        if self.finished_at is None:
            return Status.PROCESSING if self.done or self.has_begun else Status.PENDING
        if self.failed:
            return Status.FAILED
        return Status.CANCELLED if self.cancelled else Status.COMPLETED


@dataclass(frozen=True, slots=True)
class Node:
    """A node as it stands: WAITING, or as its task is; ``task_id`` is None where it never had one."""

    name: str
    status: str
    type: str
    on_failure: OnFailure
    after: list[str]
    task_id: UUID | None
    attempt: int
    error: TaskError | None
    started_at: datetime | None
    finished_at: datetime | None


def link(asked: Mapping[str, tuple[list[str], Any]]) -> dict[str, Linked]:
    """The graph of nodes given as (after, input), by name.

    Raises: InputRefused, naming every place that is wrong.
    """
    problems: list[Problem] = []
    references: dict[str, tuple[Reference, ...]] = {}
    for name, (after, given) in asked.items():
        if not NAME.fullmatch(name):
            problems.append((pointer(("tasks", name)), "Use 1 to 63 letters, digits, _, - and ., first no sign."))
        problems += _wrong_names(asked, name, after)
        references[name] = tuple(_references(given, (), (name, asked), problems))
    if problems:
        raise InputRefused(problems)
    linked = {n: tuple(dict.fromkeys([*after, *(r.node for r in references[n])])) for n, (after, _) in asked.items()}
    _refuse_size(linked)
    successors = _sorted(linked, asked, references)
    return {name: Linked(linked[name], tuple(successors[name]), references[name]) for name in asked}


def _wrong_names(asked: Mapping[str, Any], name: str, after: list[str]) -> Iterator[Problem]:
    for index, other in enumerate(after):
        if wrong := _wrong_name(asked, name, other):
            yield pointer(("tasks", name, "after", index)), wrong


def _wrong_name(asked: Mapping[str, Any], name: str, other: str) -> str | None:
    if other == name:
        return "A node cannot come after itself."
    return None if other in asked else f"There is no node {other[:63]!r}."


def _references(
    value: Any, at: tuple[str | int, ...], of: tuple[str, Mapping[str, Any]], problems: list[Problem]
) -> Iterator[Reference]:
    """Every reference below ``value``, which stands ``at`` this place of the input of a node."""
    match value:
        case dict() if FROM in value:
            name, asked = of
            try:
                yield _reference(value, at, name, asked)
            except ValueError as error:
                problems.append((pointer(("tasks", name, "input", *at)), str(error)))
        case dict():
            for key, item in value.items():
                yield from _references(item, (*at, key), of, problems)
        case list():
            for index, item in enumerate(value):
                yield from _references(item, (*at, index), of, problems)


def _reference(value: dict[str, Any], at: tuple[str | int, ...], name: str, asked: Mapping[str, Any]) -> Reference:
    """Raises: ValueError."""
    node, path = value[FROM], value.get(PATH, WHOLE_RESULT)
    if value.keys() - {FROM, PATH} or not isinstance(node, str) or not isinstance(path, str):
        raise ValueError('A reference is {"$from": a node, "path": a JSON pointer}, and nothing else.')
    if wrong := _wrong_name(asked, name, node):
        raise ValueError(wrong)
    steps = steps_of(path)
    if not steps or steps[0] not in FIELDS:
        raise ValueError(f"A path begins with one of /{', /'.join(sorted(FIELDS))}.")
    return Reference(at, node, steps)


def _refuse_size(linked: Mapping[str, tuple[str, ...]]) -> None:
    if len(linked) > MOST_NODES:
        raise InputRefused([("/tasks", f"A workflow has {MOST_NODES} nodes at most.")])
    if sum(map(len, linked.values())) > MOST_EDGES:
        raise InputRefused([("/tasks", f"The nodes of a workflow may name {MOST_EDGES} predecessors in all.")])


def _sorted(
    linked: Mapping[str, tuple[str, ...]],
    asked: Mapping[str, tuple[list[str], Any]],
    references: Mapping[str, tuple[Reference, ...]],
) -> dict[str, list[str]]:
    """Each node's successors, once it is known that all can be run one after the other (Kahn's algorithm).

    Raises: InputRefused, naming a cycle.
    """
    successors: dict[str, list[str]] = {name: [] for name in linked}
    for name, after in linked.items():
        for other in after:
            successors[other].append(name)
    left = {name: len(after) for name, after in linked.items()}
    free = [name for name, count in left.items() if not count]
    while free:
        name = free.pop()
        del left[name]
        for successor in successors[name]:
            left[successor] -= 1
            if not left[successor]:
                free.append(successor)
    if left:
        cycle = _cycle(linked, left)
        place = _place_of(cycle[0], cycle[1], asked, references)
        raise InputRefused([(place, f"The nodes wait for each other: {' after '.join(_short(cycle))}.")])
    return successors


def _cycle(linked: Mapping[str, tuple[str, ...]], left: Mapping[str, int]) -> list[str]:
    """Nodes of which each comes after the next, the first and the last being the same."""
    seen: dict[str, int] = {}
    name = next(iter(left))
    while name not in seen:
        seen[name] = len(seen)
        name = next(other for other in linked[name] if other in left)
    return [*list(seen)[seen[name] :], name]


def _short(cycle: list[str]) -> list[str]:
    return cycle if len(cycle) <= 8 else [*cycle[:4], "…", *cycle[-3:]]


def _place_of(
    name: str,
    other: str,
    asked: Mapping[str, tuple[list[str], Any]],
    references: Mapping[str, tuple[Reference, ...]],
) -> str:
    """Where ``name`` says that it comes after ``other``."""
    after, _ = asked[name]
    if other in after:
        return pointer(("tasks", name, "after", after.index(other)))
    return next(pointer(("tasks", name, "input", *r.at)) for r in references[name] if r.node == other)
