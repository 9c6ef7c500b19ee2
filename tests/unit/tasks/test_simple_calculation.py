"""Arithmetic: exact for whole numbers, finite always, and an error where there is no answer."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.tasks.numbers import INT64_MAX
from shared.tasks.simple_calculation import (
    CalculationInput,
    CalculationOutput,
    Operation,
    calculate,
    simple_calculation,
)
from shared.testing import FakeRun

WHOLE = st.integers(-INT64_MAX, INT64_MAX)
REAL = st.floats(allow_nan=False, allow_infinity=False)
OPERATIONS: st.SearchStrategy[Operation] = st.sampled_from(["add", "subtract", "multiply", "divide"])


@pytest.mark.parametrize(
    ("a", "b", "operation", "expected"),
    [
        (6, 7, "multiply", 42),
        (6, 7, "add", 13),
        (6, 7, "subtract", -1),
        (7, 2, "divide", 3.5),
        (6, 3, "divide", 2.0),
        (0.5, 2, "multiply", 1.0),
        (2**62, 2**61, "subtract", 2**61),
        (-0.0, 5, "divide", 0.0),
    ],
)
async def test_the_result_is_the_numbers_put_together(
    run: FakeRun, a: float, b: float, operation: Operation, expected: float
) -> None:
    result = await simple_calculation(run.awaited, CalculationInput(a=a, b=b, operation=operation))
    assert result == CalculationOutput(operation=operation, result=expected)
    assert type(result.result) is type(expected)


@pytest.mark.parametrize("zero", [0, 0.0, -0.0])
async def test_division_by_zero_is_a_value_error(run: FakeRun, zero: float) -> None:
    with pytest.raises(ValueError, match="Division by zero"):
        await simple_calculation(run.awaited, CalculationInput(a=1, b=zero, operation="divide"))


@pytest.mark.parametrize(
    ("a", "b", "operation"),
    [(1e308, 10, "multiply"), (1e308, 1e-10, "divide"), (1e308, 1e308, "add"), (2**62, 2, "multiply")],
)
def test_what_is_too_large_is_a_value_error(a: float, b: float, operation: Operation) -> None:
    with pytest.raises(ValueError, match="too large"):
        calculate(a, b, operation)


@pytest.mark.parametrize("bad", [True, "1", None, math.nan, math.inf, 2**63, [1]])
def test_what_is_no_finite_number_is_refused(bad: Any) -> None:
    with pytest.raises(ValidationError):
        CalculationInput.model_validate({"a": bad, "b": 1, "operation": "add"})


@given(a=WHOLE, b=WHOLE, operation=st.sampled_from(["add", "subtract", "multiply"]))
def test_whole_numbers_are_exact_or_refused(a: int, b: int, operation: Operation) -> None:
    exact = {"add": a + b, "subtract": a - b, "multiply": a * b}[operation]
    if abs(exact) > INT64_MAX:
        with pytest.raises(ValueError, match="too large"):
            calculate(a, b, operation)
    else:
        result = calculate(a, b, operation)
        assert result == exact
        assert isinstance(result, int)


@given(a=REAL | WHOLE, b=REAL | WHOLE, operation=OPERATIONS)
def test_no_input_gives_anything_but_a_finite_number_or_a_value_error(a: float, b: float, operation: Operation) -> None:
    try:
        result = calculate(a, b, operation)
    except ValueError:
        return
    assert math.isfinite(result)
