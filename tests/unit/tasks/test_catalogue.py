"""The task types as the outside sees them: names, queues, schemas that explain themselves, and a light discovery."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from shared.domain.definition import TaskDefinition
from shared.registry import discover

CONTRACT = {
    "text_generation": ("ai_processing", "prompt messages model system max_tokens temperature",
                        "text model finish_reason usage"),
    "image_analysis": ("ai_processing", "file_id url question model",
                       "format width height mode size_bytes exif dominant_colors perceptual_hash description"),
    "data_processing": ("ai_processing", "file_id rows operations", "columns row_count rows"),
    "simple_calculation": ("demo_tasks", "a b operation", "operation result"),
    "send_notification_email": ("demo_tasks", "to subject body", "message_id accepted"),
    "process_file_upload": ("demo_tasks", "file_id", "name size sha256 media_type lines entries"),
    "generate_report": ("demo_tasks", "since until", "files rows"),
    "unreliable_task": ("demo_tasks", "fail_times failure_rate error duration", "attempts"),
}  # fmt: skip

TYPES = [d for d in discover() if d.type in CONTRACT]


def test_every_type_of_the_contract_is_found() -> None:
    assert {d.type for d in TYPES} == set(CONTRACT)


@pytest.mark.parametrize("definition", TYPES, ids=lambda d: d.type)
def test_names_and_queues_are_those_of_the_contract(definition: TaskDefinition) -> None:
    queue, given, returned = CONTRACT[definition.type]
    assert definition.queue == queue
    assert list(definition.input_model.model_fields) == given.split()
    assert list(definition.output_model.model_fields) == returned.split()


@pytest.mark.parametrize("definition", TYPES, ids=lambda d: d.type)
def test_the_input_schema_explains_itself(definition: TaskDefinition) -> None:
    schema = definition.input_model.model_json_schema()
    json.dumps(schema, allow_nan=False)
    assert schema["additionalProperties"] is False
    undescribed = [name for name, field in schema["properties"].items() if not field.get("description")]
    assert undescribed == []
    assert definition.description


@pytest.mark.parametrize(
    ("definition", "example"),
    [(d, example) for d in TYPES for example in d.input_model.model_json_schema()["examples"]],
    ids=lambda value: value.type if isinstance(value, TaskDefinition) else "",
)
def test_every_example_is_valid_input(definition: TaskDefinition, example: dict[str, Any]) -> None:
    definition.input_model.model_validate(example)


def test_discovery_imports_no_heavy_library() -> None:
    """The API discovers the types too, and never runs one: it should not pay for polars and Pillow."""
    script = "import sys, shared.registry as r; r.discover(); print(*({'polars', 'PIL'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == ""
