"""What a task type is: a frozen description that a decorator builds. Nothing is registered by it."""

from __future__ import annotations

import builtins
import inspect
import math
import re
import typing
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from shared.domain.rates import Rate, parse_rate
from shared.domain.retry import DEFAULT_RETRY, RetryPolicy
from shared.domain.unique import Unique

Pool = Literal["thread", "process"]
TYPE_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
QUEUE_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
MOST_ATTEMPTS = 32_767
"""What the column holds."""


class TaskModel(BaseModel):
    """Base of every task's input and output: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")


@dataclass(frozen=True, slots=True)
class TaskDefinition:
    """One task type. ``timeout`` is seconds; ``pool`` is None for ``async def`` handlers.

    ``requires`` names what a worker must have to serve the type: ``ai`` is a model, configured or embedded.
    ``unique`` gives the key of an input: of one key one task waits or runs at a time.
    ``concurrency`` tasks of it run at once over all workers, and start at ``rate``; None: no limit.
    """

    type: str
    queue: str
    handler: Callable[..., Any] = field(repr=False)
    input_model: builtins.type[BaseModel] = field(repr=False)
    output_model: builtins.type[BaseModel] = field(repr=False)
    timeout: float
    max_attempts: int
    retry: RetryPolicy = field(repr=False)
    pool: Pool | None
    requires: tuple[str, ...]
    description: str
    unique: Unique | None = field(default=None, repr=False)
    concurrency: int | None = None
    rate: Rate | None = None

    def __call__(self, run: Any, given: Any) -> Any:
        """The bare handler, for unit tests."""
        return self.handler(run, given)


Handler = Callable[[Any, Any], Awaitable[BaseModel]] | Callable[[Any, Any], BaseModel]


def task(
    *,
    type: str,
    queue: str = "demo_tasks",
    timeout: float = 300.0,
    max_attempts: int = 4,
    retry: RetryPolicy = DEFAULT_RETRY,
    pool: Pool | None = None,
    requires: tuple[str, ...] = (),
    unique: Unique | None = None,
    concurrency: int | None = None,
    rate: str | None = None,
) -> Callable[[Handler], TaskDefinition]:
    """Describe a handler ``(run, given: Input) -> Output`` as the task type ``type``.

    A ``def`` handler runs in a child process (``pool="process"``, the default, ended for real on
    cancel and time-out) or in a thread (``pool="thread"``, which can only be asked to stop).
    A submit with the ``unique`` key of a task that waits or runs gives that task, and makes none: names of
    input fields, or a function of the input that gives a text, or None for an input that has no key.
    ``concurrency`` and ``rate`` (``"100/m"``) hold for all workers together.

    Raises:
        TypeError: the handler's annotations don't name a model for input and output, or the
            pool fits not its kind. ValueError: a name or a number is out of range.
    """
    if not TYPE_NAME.fullmatch(type):
        raise ValueError(f"task type {type!r}: use a lower-case letter, then letters, digits or _, at most 63")
    if not QUEUE_NAME.fullmatch(queue):
        raise ValueError(f"queue {queue!r}: use a lower-case letter, then letters, digits, _ or -, at most 63")
    if not (0 < timeout < math.inf and 1 <= max_attempts <= MOST_ATTEMPTS):
        raise ValueError(f"task type {type!r}: timeout must be > 0 and finite, max_attempts 1 to {MOST_ATTEMPTS}")

    if concurrency is not None and concurrency < 1:
        raise ValueError(f"task type {type!r}: concurrency must be at least 1")
    starts = None if rate is None else parse_rate(rate)

    def describe(handler: Handler) -> TaskDefinition:
        is_async = inspect.iscoroutinefunction(handler)
        if is_async and pool is not None:
            raise TypeError(f"task type {type!r}: an async def handler runs on the event loop, it takes no pool")
        given, returned = _models_of(handler, type)
        _check_unique(unique, given, type)
        return TaskDefinition(
            type=type,
            queue=queue,
            handler=handler,
            input_model=given,
            output_model=returned,
            timeout=timeout,
            max_attempts=max_attempts,
            retry=retry,
            pool=None if is_async else (pool or "process"),
            requires=requires,
            description=inspect.cleandoc(handler.__doc__ or "").split("\n\n")[0],
            unique=unique,
            concurrency=concurrency,
            rate=starts,
        )

    return describe


def _check_unique(unique: Unique | None, given: type[BaseModel], type_name: str) -> None:
    if isinstance(unique, tuple) and (not unique or set(unique) - given.model_fields.keys()):
        raise ValueError(f"task type {type_name!r}: unique names fields of its input, one at least")
    if unique is not None and not isinstance(unique, tuple) and not callable(unique):
        raise TypeError(f"task type {type_name!r}: unique is a tuple of field names, or a function of the input")


def _models_of(handler: Handler, type_name: str) -> tuple[type[BaseModel], type[BaseModel]]:
    """The input and output model from the handler's annotations."""
    hints = typing.get_type_hints(handler)
    parameters = list(inspect.signature(handler).parameters)
    given = hints.get(parameters[1]) if len(parameters) == 2 else None
    returned = hints.get("return")
    for what, model in (("second parameter", given), ("return value", returned)):
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise TypeError(
                f"task type {type_name!r}: annotate the {what} of its handler (run, given) with a TaskModel"
            )
    return typing.cast("type[BaseModel]", given), typing.cast("type[BaseModel]", returned)
