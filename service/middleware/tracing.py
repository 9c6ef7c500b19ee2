"""A span for every request, by the semantic conventions for HTTP servers. Installed only where traces are wanted.

Outermost, so that a refusal has one, too. Never a header, a query or a body: those hold keys and prompts.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.middleware.context import METHODS
from service.problems import path_as_sent
from service.trace_context import asked_trace
from shared.telemetry.current import TRACING
from shared.telemetry.spans import Attributes

PROBES = ("/health", "/metrics")
"""Asked every few seconds by machines: traces of those hide all others."""


class Traced:
    """The SERVER span, named after the route as it is declared."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        tracer = TRACING.tracer
        if tracer is None or scope["type"] != "http" or scope["path"].startswith(PROBES):
            await self.app(scope, receive, send)
            return
        status = 0

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        attributes = _asked(scope, method)
        with tracer.continuing(asked_trace(scope), method, "SERVER", attributes) as span:
            try:
                await self.app(scope, receive, watched)
            finally:
                # Known only now: which route it is.
                route = getattr(scope.get("route"), "path", "")
                span.rename(f"{'HTTP' if method == '_OTHER' else method} {route}".rstrip())
                span.note(_answered(scope, route, status))
                if status >= 500 or status == 0:
                    span.fail(str(status or "no_answer"))


def _asked(scope: Scope, method: str) -> Attributes:
    return {
        "http.request.method": method,
        "url.scheme": scope["scheme"],
        "url.path": path_as_sent(scope).partition("?")[0],
        "network.protocol.version": scope["http_version"],
    }


def _answered(scope: Scope, route: str, status: int) -> Attributes:
    known: dict[str, str | int] = {"taskrunner.request_id": scope.get("state", {}).get("request_id", "")}
    if route:
        known["http.route"] = route
    if status:
        known["http.response.status_code"] = status
    return known
