"""The page of the Python client: its verbs with their signatures and what is said of each, and its errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import service.client
from reference.markdown import blocks, code, fenced, prose, table
from service.client import AsyncClient, Client, errors, workflows
from service.client.verbs import TaskFilters, TaskOptions

INTRO = """
# Python client
`Client` blocks, `AsyncClient` is awaited: `await client.get(…)`, `async for task in client.list(…)`. Both have the same
verbs, and need httpx and pydantic, nothing of the server. What they return are frozen models of the objects of the
[REST API](api.md), with the same fields.
"""
OPTIONS = """
## Options of a task
`**options` of `submit`, `generate` and `step`, and beside `type` and `input` in a batch. What is left out is as the
task type says ([TaskRequest](api.md#taskrequest)).
"""
FILTERS = """
## Filters of a list
`**filters` of `list` and of the verbs over many tasks. Several values of one filter mean: any of them.
"""
STEPS = """
## Workflows from steps
What `submit_workflow` takes, put together ([workflows](../workflows.md)).
"""
ERRORS = "## Errors"


def page() -> str:
    verbs = {name: verb for name, verb in vars(AsyncClient).items() if _is_verb(name, verb)}
    return blocks(
        INTRO,
        _signature("Client", Client.__init__),
        prose(inspect.getdoc(Client) or ""),
        "## Verbs",
        *(_verb(name, verb) for name, verb in verbs.items()),
        OPTIONS,
        _typed(TaskOptions),
        FILTERS,
        _typed(TaskFilters),
        STEPS,
        *(_verb(name, getattr(workflows, name)) for name in ("step", "chain", "group", "result_of")),
        ERRORS,
        prose(inspect.getdoc(errors) or ""),
        table(("raised", "when"), _errors()),
    )


def _is_verb(name: str, value: Any) -> bool:
    return not name.startswith("_") and inspect.isfunction(value) and name not in {"run", "iterate", "aclose"}


def _verb(name: str, verb: Callable[..., Any]) -> str:
    return blocks(f"### {name}", _signature(name, verb), prose(inspect.getdoc(verb) or ""))


def _signature(name: str, verb: Callable[..., Any]) -> str:
    """As one would write it; what is returned as the blocking client returns it."""
    signature = inspect.signature(verb)
    returned = "" if name[0].isupper() else f" -> {_returned(str(signature.return_annotation))}"
    return fenced("text", f"{name}({', '.join(_parameters(signature))}){returned}")


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    is_named = False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not is_named:
            is_named = True
            yield "*"
        yield _parameter(parameter)


def _parameter(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_KEYWORD:
        return f"**{parameter.name}"
    stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else ""
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}: {parameter.annotation}{default}"


def _returned(annotation: str) -> str:
    """A flow comes to its answer, a feed is iterated over."""
    if flow := re.fullmatch(r"Flow\[(.*)\]", annotation):
        return flow[1]
    feed = re.fullmatch(r"Feed\[(.*)\]", annotation)
    return f"Iterator[{feed[1]}]" if feed else annotation


def _typed(options: type) -> str:
    rows = ((code(name), code(_plain(annotation))) for name, annotation in options.__annotations__.items())
    return table(("name", "takes"), rows)


def _plain(annotation: Any) -> str:
    """A postponed annotation as it was written."""
    return str(getattr(annotation, "__forward_arg__", annotation))


def _errors() -> Iterator[tuple[str, str]]:
    for name in service.client.__all__:
        found = getattr(errors, name, None)
        if isinstance(found, type) and issubclass(found, Exception):
            yield code(name), inspect.getdoc(found) or ""
