"""An endpoint's arguments without FastAPI's dependency solver, which costs a submit more than all its own code does.

Only for requests with nothing unusual about them. Whatever else comes (a query, a body that is not valid, an id in
another notation) is left to FastAPI, so that every refusal is the one it would give.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast, get_type_hints
from uuid import UUID

from fastapi.dependencies.models import Dependant
from fastapi.params import Body
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

CANONICAL_LENGTH = 36
"""Of a UUID as we write them. Pydantic takes other notations, too."""

Asks = Callable[[Request], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Quick:
    """How the arguments of one route's endpoint are found."""

    request_name: str | None
    asked: tuple[tuple[str | None, Asks], ...]
    ids: tuple[str, ...]
    body_name: str | None
    body_model: type[BaseModel] | None
    defaults: Mapping[str, Any]

    async def arguments(self, request: Request) -> dict[str, Any] | None:
        """None: FastAPI must look at this request. Raises what the route's dependencies and its body raise."""
        if request.scope["query_string"]:
            return None
        found = dict(self.defaults)
        for name in self.ids:
            given = request.scope["path_params"][name]
            try:
                found[name] = UUID(given)
            except ValueError:
                return None
            if len(given) != CANONICAL_LENGTH:
                return None
        if self.request_name is not None:
            found[self.request_name] = request
        for asked_name, ask in self.asked:
            answer = await ask(request)
            if asked_name is not None:
                found[asked_name] = answer
        if self.body_model is not None and self.body_name is not None:
            try:
                found[self.body_name] = self.body_model.model_validate(await request.json())
            except ValidationError:
                return None
        return found


def quick_way(route: APIRoute) -> Quick | None:
    """How to call ``route``'s endpoint; None where it takes more than a request, a caller, ids and one model.

    Query parameters have defaults, and those are taken.
    """
    takes = route.dependant
    if not _is_class(get_type_hints(route.endpoint).get("return"), Response):
        return None  # FastAPI makes the answer, too
    if takes.header_params or takes.cookie_params or not all(map(_asks_only, takes.dependencies)):
        return None
    if any(field.field_info.is_required() for field in takes.query_params) or len(takes.body_params) > 1:
        return None
    if any(field.field_info.annotation is not UUID for field in takes.path_params):
        return None
    body = takes.body_params[0] if takes.body_params else None
    model = body.field_info.annotation if body is not None else None
    if body is not None and not (_is_class(model, BaseModel) and type(body.field_info) is Body):
        return None
    return Quick(
        request_name=takes.request_param_name,
        asked=tuple((needed.name, needed.call) for needed in takes.dependencies if needed.call),
        ids=tuple(field.name for field in takes.path_params),
        body_name=body.name if body is not None else None,
        body_model=cast("type[BaseModel] | None", model),
        defaults={field.name: field.get_default() for field in takes.query_params},
    )


def _asks_only(needed: Dependant) -> bool:
    """Whether a dependency takes the request and nothing else."""
    more = (needed.path_params, needed.query_params, needed.header_params, needed.cookie_params, needed.body_params)
    return needed.request_param_name == "request" and not any(more) and not needed.dependencies


def _is_class(annotation: Any, base: type) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, base)
