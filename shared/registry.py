"""The task types this process knows: discovered once from ``shared/tasks`` and the user's modules."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from types import MappingProxyType, ModuleType
from typing import Any, cast

from pydantic import BaseModel, ValidationError

import shared.tasks
from shared.domain.definition import TaskDefinition
from shared.domain.errors import ConfigurationError, InputRefused, UnknownTaskType, describe
from shared.domain.pointers import pointer


class Registry:
    """An immutable map of task types. Iterates in name order."""

    def __init__(self, definitions: Iterable[TaskDefinition]) -> None:
        self._by_type: Mapping[str, TaskDefinition] = MappingProxyType(
            {d.type: d for d in sorted(definitions, key=lambda d: d.type)}
        )

    def __iter__(self) -> Iterator[TaskDefinition]:
        return iter(self._by_type.values())

    def __contains__(self, task_type: object) -> bool:
        return task_type in self._by_type

    def __len__(self) -> int:
        return len(self._by_type)

    @cached_property
    def types(self) -> tuple[str, ...]:
        return tuple(self._by_type)

    def find(self, task_type: str) -> TaskDefinition | None:
        return self._by_type.get(task_type)

    def get(self, task_type: str) -> TaskDefinition:
        """Raises: UnknownTaskType, naming the known ones."""
        try:
            return self._by_type[task_type]
        except KeyError:
            known = ", ".join(self._by_type)
            raise UnknownTaskType(f"There is no task type {task_type!r}. Known: {known}.") from None

    def validate_input(self, task_type: str, given: Any) -> BaseModel:
        """The typed input. Raises: UnknownTaskType, InputRefused."""
        definition = self.get(task_type)
        try:
            # What ``model_validate`` asks, without a wrapper that takes twice its time.
            return cast("BaseModel", definition.input_model.__pydantic_validator__.validate_python(given))
        except ValidationError as error:
            raise InputRefused(
                [(pointer(place(given, e["loc"], is_missing=e["type"] == "missing")), e["msg"]) for e in error.errors()]
            ) from None
        except Exception as error:
            # A validator of the user's may raise anything, where pydantic takes ValueError and AssertionError alone.
            # Let out, it would end the worker that claimed such a task, and then the next one.
            detail = f"The type's input model cannot read this: {type(error).__name__}: {describe(error, 200)}"
            raise InputRefused([("", detail)]) from error


def discover(extra_modules: Iterable[str] = ()) -> Registry:
    """Import every module of ``shared.tasks`` and each of ``extra_modules``, and collect their types.

    Raises:
        ConfigurationError: a module cannot be imported, defines no task, or names a type twice.
    """
    found: dict[str, TaskDefinition] = {}
    own = [f"shared.tasks.{info.name}" for info in pkgutil.iter_modules(shared.tasks.__path__)]
    for name in [*own, *extra_modules]:
        definitions = list(_definitions_in(_import(name)))
        if not definitions and name not in own:
            raise ConfigurationError(f"TASKRUNNER_TASK_MODULES: module {name!r} defines no task type")
        for definition in definitions:
            if found.setdefault(definition.type, definition) is not definition:
                raise ConfigurationError(f"task type {definition.type!r} is defined twice, the second time in {name!r}")
    return Registry(found.values())


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        # A user's module may raise anything at import; whatever it is, the process cannot go on.
        reason = " ".join(describe(error).split())
        raise ConfigurationError(
            f"task module {name!r} cannot be imported: {type(error).__name__}: {reason}"
        ) from error


def _definitions_in(module: ModuleType) -> Iterator[TaskDefinition]:
    for value in vars(module).values():
        if isinstance(value, TaskDefinition) and value.handler.__module__ == module.__name__:
            yield value


def place(value: Any, location: tuple[int | str, ...], *, is_missing: bool = False) -> tuple[int | str, ...]:
    """``location`` without the names pydantic puts between the steps of a union: only what leads into ``value``.

    ``is_missing``: the last step names a field that ought to be there.
    """
    steps: list[int | str] = []
    for index, step in enumerate(location):
        is_missing_field = is_missing and index == len(location) - 1
        if isinstance(value, dict) and (step in value or is_missing_field):
            steps.append(step)
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            steps.append(step)
            value = value[step]
    return tuple(steps)
