"""The page of routes, from the OpenAPI document: what each takes and answers, with its examples."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from reference.markdown import blocks, code, fenced, json_block, line_of, link_to, prose, table
from reference.schemas import Schema, answer_fields, fields, kind, references
from service.app import build
from service.schemas.answer_headers import EVERYWHERE as HEADERS_EVERYWHERE
from service.schemas.responses import EVERYWHERE
from shared.registry import discover
from shared.settings import Settings

INTRO = """
# REST API: every route
Conventions, and how to use it: [api.md](../api.md). A running service has the same at `/docs`, and as OpenAPI at
`/openapi.json`.

A route names the scope that the API key needs; as long as no key exists, loopback needs none. Every request may
carry `X-Request-ID` (1–128 of `A-Za-z0-9._-`), which names it in logs; every answer has it. Where keys are limited,
answers have `RateLimit` and `RateLimit-Policy`, too. Times are RFC 3339 in UTC, durations seconds, ids UUIDs.
"""
PROBLEMS = """
## Problems
Whatever is not as it should be is answered as [ProblemView](#problemview), `application/problem+json`; its codes are in
[errors.md](errors.md). Those marked *always* may be the answer to any request, so routes do not list them.
"""
NOT_LISTED = frozenset({"X-Request-ID"})


def page() -> str:
    document = build(Settings(_env_file=None), discover()).openapi()
    operations = list(_operations(document))
    return blocks(
        INTRO,
        _contents(document, operations),
        *(_route(*operation, document) for operation in operations),
        PROBLEMS,
        _problems(document),
        "## Objects",
        *_objects(document),
    )


def _operations(document: Schema) -> Iterator[tuple[str, str, Schema]]:
    """(method, path, operation), in the order of the groups and, within each, of the paths."""
    order = [tag["name"] for tag in document["tags"]]
    found = [
        (method.upper(), path, does) for path, methods in document["paths"].items() for method, does in methods.items()
    ]
    yield from sorted(found, key=lambda one: order.index(one[2]["tags"][0]))


def _contents(document: Schema, operations: list[tuple[str, str, Schema]]) -> str:
    about = {tag["name"]: tag["description"] for tag in document["tags"]}
    lines = []
    for tag, group in groupby(operations, key=lambda one: one[2]["tags"][0]):
        links = ", ".join(link_to(does["summary"]) for _, _, does in group)
        lines.append(f"- **{tag}**: {about[tag]} {links}")
    return "\n".join(lines)


def _route(method: str, path: str, does: Schema, document: Schema) -> str:
    scope = "".join(f" · scope `{name}`" for entry in does["security"] for name in entry["key"]) or " · no key"
    return blocks(
        f"## {does['summary']}\n`{method} {path}`{scope}",
        prose(does["description"]),
        _parameters(does, document),
        _body(does, document),
        _answers(does, document),
        _examples(does, document),
    )


def _parameters(does: Schema, document: Schema) -> str:
    rows = (
        (code(given["name"]), given["in"], _takes(given, document), _default(given), given["description"])
        for given in does.get("parameters", ())
        if given["name"] not in NOT_LISTED
    )
    return table(("parameter", "in", "takes", "default", "meaning"), rows)


def _takes(given: Schema, document: Schema) -> str:
    return kind(given["schema"], _defs(document)).removesuffix(" or null")


def _default(given: Schema) -> str:
    if given.get("required"):
        return "required"
    default = given["schema"].get("default")
    return "" if default is None else code(str(default).lower() if isinstance(default, bool) else default)


def _body(does: Schema, document: Schema) -> str:
    body = does.get("requestBody")
    if body is None:
        return ""
    (media_type, content), *_ = body["content"].items()
    schema = content["schema"]
    if "$ref" in schema:
        return f"Body: {kind(schema, _defs(document))}."
    about = line_of(f"Body: {code(media_type)}. {body.get('description', '')}")
    return blocks(about, fields(schema, _defs(document)))


def _answers(does: Schema, document: Schema) -> str:
    own = {status: answer for status, answer in does["responses"].items() if "$ref" not in answer}
    rows = (
        (status, _content(answer, document), _headers(answer), answer["description"]) for status, answer in own.items()
    )
    problems = ", ".join(sorted(s for s in does["responses"].keys() - own.keys() if int(s) not in EVERYWHERE))
    more = f"Problems of its own: {problems}." if problems else ""
    return blocks(table(("answer", "body", "headers", "meaning"), rows), more)


def _content(answer: Schema, document: Schema) -> str:
    """What the body is."""
    for media_type, content in answer.get("content", {}).items():
        if media_type == "application/json":
            return kind(content["schema"], _defs(document))
        return "bytes" if media_type == "*/*" else code(media_type)
    return "none"


def _headers(answer: Schema) -> str:
    return ", ".join(code(name) for name in answer.get("headers", {}) if name not in HEADERS_EVERYWHERE)


def _examples(does: Schema, document: Schema) -> str:
    """What to send, and the best answer to it."""
    sent = does.get("requestBody", {}).get("content", {}).get("application/json", {})
    example = sent.get("example") or next(iter(_examples_of(sent.get("schema", {}), document)), None)
    asked = blocks("Send:", json_block(example)) if example else ""
    for status, answer in does["responses"].items():
        for media_type, content in answer.get("content", {}).items():
            if status < "300" and "example" in content:
                is_json = media_type == "application/json"
                body = json_block(content["example"]) if is_json else fenced("text", content["example"])
                return blocks(asked, f"Answer {status}:", body)
    return asked


def _examples_of(schema: Schema, document: Schema) -> list[Any]:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    found: list[Any] = _defs(document).get(name, {}).get("examples", [])
    return found


def _problems(document: Schema) -> str:
    answers = {name.removeprefix("Problem"): one for name, one in document["components"]["responses"].items()}
    rows = (
        (status, "always" if int(status) in EVERYWHERE else "", _headers(answer), answer["description"])
        for status, answer in sorted(answers.items())
    )
    return table(("status", "", "headers", "when"), rows)


def _objects(document: Schema) -> Iterator[str]:
    """Every object that has a name, those that are sent with what their fields default to."""
    defs, sent = _defs(document), _sent(document)
    for name, schema in sorted(defs.items()):
        if "enum" not in schema:
            written = fields(schema, defs) if name in sent else answer_fields(schema, defs)
            yield blocks(f"### {name}", prose(schema.get("description", "")), written)


def _sent(document: Schema) -> set[str]:
    """The names of all objects that stand in a request's body."""
    methods = (does for paths in document["paths"].values() for does in paths.values())
    waiting = list(references([does["requestBody"] for does in methods if "requestBody" in does]))
    found: set[str] = set()
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting.extend(references(_defs(document)[name]))
    return found


def _defs(document: Schema) -> Schema:
    defs: Schema = document["components"]["schemas"]
    return defs
