"""JSON Schema in words: what values a field takes, what it is if left out, and what it means."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from reference.markdown import code, either, link_to, table

Schema = Mapping[str, Any]

FORMATS = {"date-time": "time", "uuid": "id", "uri-reference": "path", "path": "path", "password": "secret text"}
WORDS = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`", "null": "null"}
REQUIRED = "required"
LARGEST = 2**63 - 1
"""A limit like this is that of the column, and says nothing to a reader."""


def kind(schema: Schema, defs: Schema) -> str:
    """Which values fit. An object with a name is a link to its heading; enumerations stand in place."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        return kind(defs[name], defs) if "enum" in defs[name] else link_to(name)
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return either(dict.fromkeys(kind(one, defs) for one in choices))
    if "const" in schema or "enum" in schema:
        return either(code(value) for value in schema.get("enum", [schema.get("const")]))
    return _simple(schema, defs)


def _simple(schema: Schema, defs: Schema) -> str:
    match schema.get("type"):
        case "string":
            return _text(schema)
        case "array":
            return f"list of {kind(schema.get('items', {}), defs)}{_count(schema, 'Items')}"
        case "object":
            return _object(schema, defs)
        case str(simple):
            return f"{WORDS[simple]}{_range(schema)}"
        case _:
            return "any JSON"


def fields(schema: Schema, defs: Schema) -> str:
    """The table of an object that a caller sends."""
    rows = (
        (code(name), kind(field, defs), _default(name, field, schema), field.get("description", ""))
        for name, field in schema.get("properties", {}).items()
    )
    return table(("field", "takes", "default", "meaning"), rows)


def answer_fields(schema: Schema, defs: Schema) -> str:
    """The table of an object that the service answers with."""
    required = schema.get("required", ())
    rows = (
        (code(name), kind(field, defs), field.get("description", "") + ("" if name in required else " May be absent."))
        for name, field in schema.get("properties", {}).items()
    )
    return table(("field", "is", "meaning"), rows)


def references(value: Any) -> Iterator[str]:
    """The names of all objects that ``value`` refers to, in order, each as often as it does."""
    if isinstance(value, Mapping):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rpartition("/")[2]
        for one in value.values():
            yield from references(one)
    elif isinstance(value, list):
        for one in value:
            yield from references(one)


def span(low: Any, high: Any) -> str:
    """``1 to 63``, ``at least 1``, ``at most 63``, or nothing."""
    if low is not None and high is not None:
        return f"{number(low)} to {number(high)}"
    return f"at least {number(low)}" if low is not None else f"at most {number(high)}" if high is not None else ""


def number(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() else f"{value:g}"


def _default(name: str, field: Schema, schema: Schema) -> str:
    if name in schema.get("required", ()):
        return REQUIRED
    return code(json.dumps(field["default"], ensure_ascii=False)) if field.get("default") is not None else ""


def _text(schema: Schema) -> str:
    if "contentMediaType" in schema:
        return "bytes"
    if name := FORMATS.get(schema.get("format", "")):
        return name
    length = span(schema.get("minLength"), schema.get("maxLength"))
    return f"text ({length} characters)" if length else "text"


def _range(schema: Schema) -> str:
    above = schema.get("exclusiveMinimum")
    limits = [f"above {number(above)}"] if above is not None else []
    limits.append(span(*(_told(schema.get(name)) for name in ("minimum", "maximum"))))
    told = ", ".join(limit for limit in limits if limit)
    return f" ({told})" if told else ""


def _told(limit: Any) -> Any:
    return None if limit is None or abs(limit) >= LARGEST else limit


def _object(schema: Schema, defs: Schema) -> str:
    values = schema.get("additionalProperties")
    of = f" of {kind(values, defs)}" if isinstance(values, Mapping) and values else ""
    return f"object{of}{_count(schema, 'Properties')}"


def _count(schema: Schema, what: str) -> str:
    found = span(schema.get(f"min{what}"), schema.get(f"max{what}"))
    return f" ({found} of them)" if found else ""
