"""The operations of ``data_processing`` as typed input. Says what may be asked; ``applying`` does it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from shared.domain.definition import TaskModel
from shared.tasks.numbers import INT64_MAX, Real, Whole

Column = Annotated[str, Field(max_length=1_000)]
Columns = Annotated[list[Column], Field(min_length=1, max_length=1_000)]
Scalar = Annotated[bool, Field(strict=True)] | Whole | Real | Annotated[str, Field(strict=True)]
Comparison = Literal["==", "!=", "<", "<=", ">", ">=", "in", "contains"]
Aggregate = Literal["sum", "mean", "min", "max", "count", "median", "std"]


class Describe(TaskModel):
    """Statistics of every column: count, null_count, mean, std, min, quartiles, max."""

    op: Literal["describe"] = Field(description="The operation.")


class Filter(TaskModel):
    """Keep the rows whose column compares so with the value. A missing value matches nothing but ``== null``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"op": "filter", "column": "price", "cmp": ">", "value": 10}]}
    )

    op: Literal["filter"] = Field(description="The operation.")
    column: Column = Field(description="The column that is compared.")
    cmp: Comparison = Field(description="in takes a list; contains looks for a piece of text, exactly as written.")
    value: Scalar | Annotated[list[Scalar], Field(max_length=10_000)] | None = Field(
        description="Of the column's own kind; dates and times as ISO 8601 text; null with == and != only."
    )

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if (self.cmp == "in") != isinstance(self.value, list):
            raise ValueError("in takes a list of values, every other comparison a single one")
        if self.cmp == "contains" and not isinstance(self.value, str):
            raise ValueError("contains takes a text")
        if self.value is None and self.cmp not in {"==", "!="}:
            raise ValueError("null goes with == and != only")
        return self


class Select(TaskModel):
    """Keep these columns, in this order."""

    op: Literal["select"] = Field(description="The operation.")
    columns: Columns = Field(description="Their names.")


class Sort(TaskModel):
    """Order the rows, missing values last. Equal rows keep their order."""

    op: Literal["sort"] = Field(description="The operation.")
    by: Column | Columns = Field(description="A column, or several: the first decides, the next where it is equal.")
    descending: bool = Field(default=False, strict=True, description="true: the largest first.")


class GroupBy(TaskModel):
    """One row per combination of the ``by`` columns, in order of appearance; results are ``<column>_<function>``."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"op": "group_by", "by": ["city"], "aggregate": {"price": ["mean", "max"], "id": "count"}}]
        }
    )

    op: Literal["group_by"] = Field(description="The operation.")
    by: Columns = Field(description="The columns whose values make a group.")
    aggregate: dict[Column, Aggregate | Annotated[list[Aggregate], Field(min_length=1, max_length=7)]] = Field(
        min_length=1, max_length=1_000, description="Per column one function, or a list. count counts values present."
    )


class Limit(TaskModel):
    """Keep the first rows."""

    op: Literal["limit"] = Field(description="The operation.")
    n: int = Field(strict=True, ge=0, le=INT64_MAX, description="How many rows stay.")


Operation = Annotated[Describe | Filter | Select | Sort | GroupBy | Limit, Field(discriminator="op")]
