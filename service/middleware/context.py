"""The request id, the access log and the counts of it: one of each a request."""

from __future__ import annotations

import logging
import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.problems import path_as_sent
from service.trace_context import trace_of
from shared.domain.ids import new_id
from shared.logs import FACTS, get_logger
from shared.metrics import HTTP_ERRORS, HTTP_REQUESTS, HTTP_SECONDS
from shared.telemetry.traceparent import facts_of

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
SLOW_SECONDS = 1.0
METHODS = frozenset({"GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS", "PUT"})

log = get_logger(__name__)
plain_log = logging.getLogger(__name__)


class RequestContext:
    """Takes or makes ``X-Request-ID``, returns it, binds it to the logs, and logs how the request ended.

    ``state["answer_headers"]`` is sent with any answer, a refusal too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        header = (b"x-request-id", request_id.encode())
        started = time.perf_counter()
        status = 0

        async def with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), header, *state.get("answer_headers", ())]
            await send(message)

        token = FACTS.set(lambda: {"request_id": request_id, **facts_of(trace_of(scope))})
        try:
            await self.app(scope, receive, with_id)
        finally:
            seconds = time.perf_counter() - started
            _count(scope, status, seconds)
            _log_access(scope, status, seconds)
            FACTS.reset(token)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
            return str(value, "ascii")
    return str(new_id())


def _count(scope: Scope, status: int, seconds: float) -> None:
    """By the route's own path: what callers write into theirs has no end."""
    route = getattr(scope.get("route"), "path", "")
    method = scope["method"] if scope["method"] in METHODS else ""
    HTTP_REQUESTS.add(method, route, str(status))
    HTTP_SECONDS.add(seconds, method, route)
    if status >= 500:
        HTTP_ERRORS.add("unavailable" if status == 503 else "error")


def _log_access(scope: Scope, status: int, seconds: float) -> None:
    """Errors and slow answers at INFO; the rest, a line a request under load, at DEBUG."""
    waited_on_purpose = b"wait=" in scope["query_string"] or scope["path"].endswith("/events")
    is_notable = status >= 500 or status == 0 or (seconds > SLOW_SECONDS and not waited_on_purpose)
    if not (is_notable or plain_log.isEnabledFor(logging.DEBUG)):
        return  # asked first: a line that is made and then dropped is a twentieth of a request
    write = log.info if is_notable else log.debug
    write(
        "request_ended", method=scope["method"], path=path_as_sent(scope), status=status, ms=round(seconds * 1_000, 1)
    )
