"""FastAPI's route, reading bodies by ``strict_json`` instead of ``json``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from service import strict_json
from service.problems import problem_of

# Parsing 256 KiB takes some 2 ms: longer than other requests should stand still for.
THREAD_BYTES = 262_144


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
    """An ``APIRoute`` that hands a ``StrictRequest`` on."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handler(request: Request) -> Response:
            return await inner(StrictRequest(request.scope, request.receive))

        return handler
