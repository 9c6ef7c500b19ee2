"""``simple_calculation``: one arithmetic operation. Owns no state and touches nothing outside."""

from __future__ import annotations

import math
from typing import Literal, assert_never

from pydantic import ConfigDict, Field

from shared.tasks import Run, TaskModel, task
from shared.tasks.numbers import INT64_MAX, Real, Whole

Operation = Literal["add", "subtract", "multiply", "divide"]


class CalculationInput(TaskModel):
    """Two finite numbers and what to do with them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"a": 6, "b": 7, "operation": "multiply"}]})

    a: Whole | Real = Field(description="The first number.", examples=[6, 0.5])
    b: Whole | Real = Field(description="The second number; not 0 for divide.", examples=[7, -2])
    operation: Operation = Field(description="What to do with a and b.")


class CalculationOutput(TaskModel):
    """The operation and what it came to."""

    operation: Operation = Field(description="The one that was asked for.")
    result: int | float = Field(description="Whole for whole a and b, but for divide: that is always a real number.")


@task(type="simple_calculation", queue="demo_tasks", timeout=10, max_attempts=4)
async def simple_calculation(run: Run, given: CalculationInput) -> CalculationOutput:
    """Add, subtract, multiply or divide two numbers.

    Raises: ValueError: division by zero, or a result too large to be a number here.
    """
    run.progress(50, given.operation)
    return CalculationOutput(operation=given.operation, result=calculate(given.a, given.b, given.operation))


def calculate(a: float, b: float, operation: Operation) -> int | float:
    """``a operation b``, finite. Raises: ValueError: division by zero, overflow."""
    if operation == "divide" and b == 0:
        raise ValueError("Division by zero: b must not be 0.")
    try:
        result = _apply(a, b, operation)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result) or (isinstance(result, int) and abs(result) > INT64_MAX):
        raise ValueError(f"The result of {operation} is too large to be represented.")
    return result


def _apply(a: float, b: float, operation: Operation) -> int | float:
    match operation:
        case "add":
            return a + b
        case "subtract":
            return a - b
        case "multiply":
            return a * b
        case "divide":
            return a / b
        case _:
            assert_never(operation)
