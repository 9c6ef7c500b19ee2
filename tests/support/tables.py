"""``data_processing`` as its tests ask for it: operations in, a table out that is always JSON."""

from __future__ import annotations

import json
from typing import Any

from shared.tasks.data_processing import DataInput, DataOutput, data_processing
from shared.testing import FakeRun

SALES = [
    {"city": "Oslo", "price": 12, "open": True},
    {"city": "Rome", "price": 9, "open": False},
    {"city": "Oslo", "price": 20, "open": True},
    {"city": "Bern", "price": None, "open": None},
]


def process(run: FakeRun, *operations: dict[str, Any], **source: Any) -> DataOutput:
    result = data_processing(run, DataInput.model_validate({"operations": list(operations), **source}))
    assert isinstance(result, DataOutput)
    json.dumps(result.model_dump(mode="json"), allow_nan=False)
    assert result.row_count == len(result.rows)
    return result


def process_file(run: FakeRun, name: str, content: bytes, *operations: dict[str, Any]) -> DataOutput:
    return process(run, *operations, file_id=str(run.files.put(name, content).id))


def keep(column: str, cmp: str, value: Any) -> dict[str, Any]:
    return {"op": "filter", "column": column, "cmp": cmp, "value": value}
