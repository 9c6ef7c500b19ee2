"""What the ``task`` decorator describes, and what it refuses at once."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from shared.domain.definition import Pool, TaskDefinition, TaskModel, task
from shared.domain.rates import Rate
from shared.domain.retry import DEFAULT_RETRY, Never
from shared.domain.run import BlockingRun, Run


class Given(TaskModel):
    n: int = 0


class Returned(TaskModel):
    n: float = 0.0


async def awaited(run: Run, given: Given) -> Returned:
    """Does it.

    In more words.
    """
    return Returned(n=given.n)


def blocking(run: BlockingRun, given: Given) -> Returned:
    return Returned(n=given.n)


def test_a_type_takes_the_contracts_defaults() -> None:
    described = task(type="resize")(awaited)
    assert (described.type, described.queue, described.timeout, described.max_attempts) == (
        "resize",
        "demo_tasks",
        300.0,
        4,
    )
    assert (described.retry, described.pool, described.requires) == (DEFAULT_RETRY, None, ())
    assert (described.input_model, described.output_model, described.description) == (Given, Returned, "Does it.")


@pytest.mark.parametrize(("asked", "pool"), [(None, "process"), ("process", "process"), ("thread", "thread")])
def test_a_def_handler_runs_in_a_child_process_unless_told_otherwise(asked: Pool | None, pool: Pool) -> None:
    assert task(type="resize", pool=asked)(blocking).pool == pool


def test_the_definition_calls_the_bare_handler() -> None:
    run: Any = None
    assert task(type="resize", retry=Never())(blocking)(run, Given(n=3)) == Returned(n=3)


@pytest.mark.parametrize("name", ["", "Resize", "1st", "re size", "re-size", "a/b", "a\n", "é", "a" * 64, "_a"])
def test_a_bad_type_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="task type"):
        task(type=name)


@pytest.mark.parametrize("name", ["", "Urgent", "a:b", "a b", "a\n", "-a", "a" * 64])
def test_a_bad_queue_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="queue"):
        task(type="resize", queue=name)


def test_the_longest_names_are_taken() -> None:
    assert task(type="a" * 63, queue="q" + "-" * 62)(awaited).type == "a" * 63


@pytest.mark.parametrize(
    "limits",
    [
        {"timeout": 0.0},
        {"timeout": -1.0},
        {"timeout": math.nan},
        {"timeout": math.inf},
        {"max_attempts": 0},
        {"max_attempts": 40_000},
    ],
    ids=str,
)
def test_limits_that_no_row_could_hold_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="timeout must be"):
        task(type="resize", **limits)


@pytest.mark.parametrize("pool", ["thread", "process"])
def test_an_async_handler_takes_no_pool(pool: Pool) -> None:
    with pytest.raises(TypeError, match="takes no pool"):
        task(type="resize", pool=pool)(awaited)


async def without_input(run: Run, given) -> Returned:  # type: ignore[no-untyped-def]
    raise NotImplementedError


async def without_output(run: Run, given: Given):  # type: ignore[no-untyped-def]
    raise NotImplementedError


async def with_a_plain_input(run: Run, given: dict[str, Any]) -> Returned:
    raise NotImplementedError


async def with_a_plain_output(run: Run, given: Given) -> int:
    raise NotImplementedError


async def with_one_parameter(given: Given) -> Returned:
    raise NotImplementedError


async def with_three_parameters(run: Run, given: Given, more: int) -> Returned:
    raise NotImplementedError


async def with_a_choice(run: Run, given: Given | Returned) -> Returned:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("handler", "what"),
    [
        (without_input, "second parameter"),
        (without_output, "return value"),
        (with_a_plain_input, "second parameter"),
        (with_a_plain_output, "return value"),
        (with_one_parameter, "second parameter"),
        (with_three_parameters, "second parameter"),
        (with_a_choice, "second parameter"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_handler_must_name_its_models(handler: Any, what: str) -> None:
    with pytest.raises(TypeError, match=f"annotate the {what}"):
        task(type="resize")(handler)


def test_models_are_frozen_and_refuse_unknown_fields() -> None:
    with pytest.raises(ValidationError):
        Given.model_validate({"n": 1, "m": 2})
    with pytest.raises(ValidationError):
        Given(n=1).n = 2  # type: ignore[misc]


def test_a_definition_shows_no_code() -> None:
    shown = repr(task(type="resize")(awaited))
    assert "awaited" not in shown
    assert isinstance(task(type="resize")(awaited), TaskDefinition)


def test_a_type_may_limit_how_many_run_and_how_many_start() -> None:
    limited = task(type="resize", concurrency=8, rate="100/m")(awaited)
    assert (limited.concurrency, limited.rate) == (8, Rate(100, 60.0))
    free = task(type="resize")(awaited)
    assert (free.concurrency, free.rate) == (None, None)


def test_a_limit_that_lets_nothing_run_is_refused() -> None:
    with pytest.raises(ValueError, match="concurrency must be at least 1"):
        task(type="resize", concurrency=0)
    with pytest.raises(ValueError, match="is no rate"):
        task(type="resize", rate="0/m")
