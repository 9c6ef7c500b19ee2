"""Calls a handler in a child or a thread: ``def`` ones, and ``async def`` ones that run alone.

Its input and output cross as JSON; it may return its output model, and no other.
"""

from __future__ import annotations

import asyncio
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.domain.definition import TaskDefinition
from worker.blocking.awaited import AwaitedRun
from worker.blocking.bridged import BridgedRun


def handle(definition: TaskDefinition, run: BridgedRun, given: BaseModel) -> BaseModel:
    """Run the handler to its end. Raises: what it raises; TypeError for an output it did not promise."""
    try:
        if definition.pool is None:
            output = asyncio.run(definition.handler(AwaitedRun(run), given))
        else:
            output = definition.handler(run, given)
    finally:
        run.finish()
    return _checked(definition, output)


def _checked(definition: TaskDefinition, output: Any) -> BaseModel:
    if isinstance(output, definition.output_model):
        return output
    wanted, got = definition.output_model.__qualname__, type(output).__qualname__
    raise TypeError(f"The handler of task type {definition.type!r} must return {wanted}, it returned {got}.")


def dump(model: BaseModel) -> bytes:
    """``model`` as JSON that ``load`` takes: by field name, computed fields left out.

    A ``SecretStr`` crosses masked, an excluded field not at all: neither belongs in a stored input.
    """
    return model.model_dump_json(round_trip=True, by_alias=False).encode()


def load(model: type[BaseModel], data: bytes) -> BaseModel:
    """The model again. Raises: pydantic.ValidationError."""
    return model.model_validate_json(data, by_name=True, by_alias=False)


def load_output(definition: TaskDefinition, data: bytes) -> BaseModel:
    """Raises: TypeError, where the output's own JSON is not valid for its model."""
    try:
        return load(definition.output_model, data)
    except ValidationError as error:
        raise TypeError(
            f"The {definition.output_model.__qualname__} that task type {definition.type!r} returned "
            f"cannot be read back from its JSON: {error}"
        ) from error
