"""The page of task types, from the registry: input and result of each, with examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from reference.markdown import blocks, code, first_line, json_block, link_to, prose, table
from reference.schemas import Schema, answer_fields, fields
from shared.domain.definition import TaskDefinition
from shared.domain.retry import DEFAULT_RETRY
from shared.registry import discover

INTRO = """
# Built-in task types
What each takes and gives. A field that is not named is refused. A running service lists its own, yours too, at
`GET /api/v1/task-types`, with JSON Schemas. How to make one: [task-types.md](../task-types.md).
"""


def page() -> str:
    types = list(discover())
    rows = (
        (link_to(one.type), code(one.queue), f"{one.timeout:g} s", str(one.max_attempts), first_line(one.description))
        for one in types
    )
    return blocks(INTRO, table(("type", "queue", "time limit", "attempts", "does"), rows), *map(_section, types))


def _section(definition: TaskDefinition) -> str:
    given = definition.input_model.model_json_schema()
    result = definition.output_model.model_json_schema(mode="serialization")
    return blocks(
        f"## {definition.type}",
        prose(definition.description),
        _facts(definition),
        "Input:",
        fields(given, given.get("$defs", {})),
        "Result:",
        answer_fields(result, result.get("$defs", {})),
        *_parts(given, is_sent=True),
        *_parts(result, is_sent=False),
        "Examples of its input:",
        *(json_block(example) for example in examples_of(definition.input_model)),
    )


def _facts(definition: TaskDefinition) -> str:
    where = {"process": "in a child process", "thread": "in a thread", None: "on the worker's event loop"}
    retries = "the default retries" if definition.retry == DEFAULT_RETRY else "retries of its own"
    return (
        f"Queue `{definition.queue}`, time limit {definition.timeout:g} s, {definition.max_attempts} attempts with "
        f"{retries}. It runs {where[definition.pool]}."
    )


def _parts(schema: Schema, *, is_sent: bool) -> Iterator[str]:
    """The objects inside, each under its name."""
    defs: Schema = schema.get("$defs", {})
    for name, part in defs.items():
        if "enum" not in part:
            written = fields(part, defs) if is_sent else answer_fields(part, defs)
            yield blocks(f"### {name}", prose(part.get("description", "")), written)


def examples_of(model: type[BaseModel]) -> list[Any]:
    """As they were written: a JSON Schema has their keys in order of the alphabet."""
    extra = model.model_config.get("json_schema_extra")
    found: Any = extra.get("examples", []) if isinstance(extra, dict) else []
    return list(found)
