"""FastAPI's route, stricter: bodies are read by ``strict_json``, and no query parameter is ignored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from service import strict_json
from service.problems import Problem, invalid, problem_of
from service.quick import quick_way

# Parsing 256 KiB takes some 2 ms: longer than other requests should stand still for.
THREAD_BYTES = 262_144
API_ROOT = "/api/"
EMPTY = "The body is empty."


class StrictRequest(Request):
    """A request whose ``json()`` refuses what ``strict_json`` refuses."""

    async def json(self) -> Any:
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                if len(body) > THREAD_BYTES:
                    self._json = await asyncio.to_thread(strict_json.loads, body)
                else:
                    self._json = strict_json.loads(body)
            except strict_json.JSONRefused as error:
                # FastAPI makes its own 400 of anything but an HTTPException here.
                raise problem_of(error) from None
        return self._json


class StrictRoute(APIRoute):
    """An ``APIRoute`` that hands a ``StrictRequest`` on, once it can be one for this route."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()
        needs_body = self.body_field is not None
        known = frozenset(_query_names(self.dependant))
        # A probe of a health page may carry anything, as those against caches do.
        is_strict = self.path.startswith(API_ROOT)
        quick = quick_way(self)

        async def handler(request: Request) -> Response:
            strict = StrictRequest(request.scope, request.receive)
            if is_strict and request.scope["query_string"]:
                _refuse_unknown(request, known)
            if needs_body and not await strict.body():
                raise Problem("malformed_json", EMPTY)
            if quick is not None and (arguments := await quick.arguments(strict)) is not None:
                answer: Response = await self.endpoint(**arguments)
                return answer
            return await inner(strict)

        return handler


def _query_names(dependant: Dependant) -> Iterator[str]:
    """Every query parameter the route, or what it depends on, declares."""
    yield from (field.alias for field in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _query_names(inner)


def _refuse_unknown(request: Request, known: frozenset[str]) -> None:
    """A filter with a slip in its name must not list everything. Raises: Problem."""
    unknown = dict.fromkeys(name for name in request.query_params if name not in known)
    if unknown:
        takes = f"this route takes {', '.join(sorted(known))}" if known else "this route takes none"
        raise invalid([(name, f"Unknown parameter: {takes}.") for name in unknown])
