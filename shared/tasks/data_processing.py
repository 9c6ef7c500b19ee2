"""``data_processing``: a table in, operations, a table out.

Owns input and result; the work stands in ``tables`` and is imported by the run alone.
"""

from __future__ import annotations

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from shared.tasks import BlockingRun, TaskModel, task
from shared.tasks.tables.operations import Operation, Scalar

MOST_ROWS = 100_000
MOST_OPERATIONS = 50

Row = dict[Annotated[str, Field(max_length=1_000)], Scalar | None]


class DataInput(TaskModel):
    """Exactly one of ``file_id`` and ``rows``, and what to do with the table."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "rows": [{"city": "Oslo", "price": 12}, {"city": "Rome", "price": 9}],
                    "operations": [
                        {"op": "filter", "column": "price", "cmp": ">", "value": 5},
                        {"op": "group_by", "by": ["city"], "aggregate": {"price": "mean"}},
                        {"op": "sort", "by": "city"},
                    ],
                },
                {"file_id": "0198c0de-0000-7000-8000-000000000001", "operations": [{"op": "describe"}]},
            ]
        }
    )

    file_id: UUID | None = Field(
        default=None,
        description="An uploaded CSV, TSV, JSON (array of objects), NDJSON or Parquet file; or give rows.",
    )
    rows: Annotated[list[Row], Field(max_length=MOST_ROWS)] | None = Field(
        default=None, description="The table as objects with plain values; or give file_id."
    )
    operations: Annotated[list[Operation], Field(max_length=MOST_OPERATIONS)] = Field(
        description="Done in this order; none gives the table as it is."
    )

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file_id is None) == (self.rows is None):
            raise ValueError("give exactly one of file_id and rows")
        return self


class DataOutput(TaskModel):
    """The resulting table."""

    columns: list[str] = Field(description="Column names, in order.")
    row_count: int = Field(description="How many rows follow.")
    rows: list[dict[str, Any]] = Field(
        description="Missing values, NaN and infinity are null; moments ISO 8601; decimals text; bytes base64."
    )


@task(type="data_processing", queue="ai_processing", timeout=300, max_attempts=4)
def data_processing(run: BlockingRun, given: DataInput) -> DataOutput:
    """Describe, filter, select, sort, group or limit a table: an uploaded CSV, JSON or Parquet file, or given rows.

    Raises: FileMissing; Fatal: no table, too large, or an answer over 1 MiB; ValueError: an operation
    does not fit the table: it names the operation, the column and what is known.
    """
    # polars costs 50 MB and starts threads: only the process that runs this pays.
    from polars.exceptions import PanicException, PolarsError  # noqa: PLC0415

    from shared.tasks.tables.answering import most_rows, rows_of  # noqa: PLC0415
    from shared.tasks.tables.applying import first_line, plan  # noqa: PLC0415
    from shared.tasks.tables.reading import read_file, read_rows  # noqa: PLC0415

    def report(index: int, op: str) -> None:
        run.progress(10 + 60 * index / len(given.operations), f"{op} ({index + 1} of {len(given.operations)})")

    run.progress(5, "reading")
    try:
        frame = read_rows(list(given.rows)) if given.rows is not None else read_file(run.files.get(_id(given)))
        planned = plan(frame, given.operations, report)
        run.progress(75, "computing")
        # One row more than could fit tells "too large" without building the rest.
        table = planned.head(most_rows(planned.collect_schema().names()) + 1).collect()
    except (PolarsError, PanicException) as error:
        # A panic, which is no Exception, is what some damaged Parquet files make of polars.
        raise ValueError(f"The table cannot be read: {first_line(error)}") from error
    run.progress(90, f"{table.height} rows")
    rows = rows_of(table)
    return DataOutput(columns=table.columns, row_count=len(rows), rows=rows)


def _id(given: DataInput) -> UUID:
    if given.file_id is None:
        raise ValueError("give exactly one of file_id and rows")
    return given.file_id
