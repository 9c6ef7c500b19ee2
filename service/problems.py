"""Every error answer, as RFC 9457 ``application/problem+json``; and the one map from codes to statuses."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from service.strict_json import JSONRefused
from shared.db.session import is_outage
from shared.domain.errors import InputRefused, StorageFull, StoreUnavailable, TaskRunnerError, bottom_of
from shared.domain.pointers import pointer
from shared.logs import get_logger

MEDIA_TYPE = "application/problem+json"
STORE_RETRY_AFTER = "2"
DISK_RETRY_AFTER = "30"
MAX_ERRORS = 100

# code → (status, title). A code is part of the contract: add, never rename.
KNOWN: Mapping[str, tuple[int, str]] = {
    "malformed_json": (400, "The body is not acceptable JSON"),
    "bad_request": (400, "The request is malformed"),
    "invalid_cursor": (400, "The cursor is not one of ours"),
    "invalid_event_id": (400, "That is no id of an event"),
    "invalid_idempotency_key": (400, "The Idempotency-Key is malformed"),
    "unauthorized": (401, "A valid API key is needed"),
    "forbidden": (403, "The API key lacks the scope"),
    "csrf_refused": (403, "The request may be forged"),
    "anonymous_not_allowed": (403, "Only loopback is served while no API key exists"),
    "not_found": (404, "Not found"),
    "file_missing": (404, "Not found"),
    "method_not_allowed": (405, "Method not allowed"),
    "request_timeout": (408, "The request took too long to come"),
    "conflict": (409, "The state does not allow this"),
    "idempotency_in_flight": (409, "The first request with this key is still running"),
    "payload_too_large": (413, "The body is too large"),
    "file_too_large": (413, "The body is too large"),
    "uri_too_long": (414, "The URL is too long"),
    "unsupported_media_type": (415, "Unsupported media type"),
    "validation_error": (422, "The request is not valid"),
    "unknown_task_type": (422, "Unknown task type"),
    "not_available": (422, "Not available yet"),
    "idempotency_key_reused": (422, "The Idempotency-Key was used with another body"),
    "rate_limited": (429, "Too many requests"),
    "too_many_streams": (429, "Too many open streams"),
    "headers_too_large": (431, "The header fields are too large"),
    "internal_error": (500, "Internal error"),
    "store_unavailable": (503, "The database cannot be reached"),
    "storage-full": (503, "The disk is full"),
    "unstorable": (422, "A value cannot be stored"),
}
CODE_OF_STATUS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "payload_too_large"}
NOT_FOUND = "There is nothing here, or it is not yours."

log = get_logger(__name__)
Pointed = tuple[str, str]


class Problem(HTTPException):
    """An error answer raised anywhere behind the door.

    An ``HTTPException``, because FastAPI lets only those through while it reads a body.
    ``errors`` holds (pointer, detail) pairs.
    """

    def __init__(
        self, code: str, detail: str, *, errors: Sequence[Pointed] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(KNOWN[code][0], detail, dict(headers or {}))
        self.code = code
        self.errors = errors


def problem_of(error: Exception) -> Problem:
    """The one mapping from an exception to what the caller is told."""
    return _of_request(error) or _of_domain(error) or _of_outage(error) or _crash(error)


def invalid(errors: Sequence[Pointed]) -> Problem:
    """A 422 that names each place; a JSON pointer into the body, or the name of a parameter."""
    shown = errors[:MAX_ERRORS]
    detail = "; ".join(f"{at or 'body'}: {message}" for at, message in shown[:3])
    return Problem("validation_error", detail, errors=shown)


def answer(problem: Problem, scope: Scope) -> Response:
    """``problem`` as a response to the request in ``scope``."""
    request_id = scope.get("state", {}).get("request_id")
    body: dict[str, Any] = {
        "type": f"urn:taskrunner:problem:{problem.code}",
        "title": KNOWN[problem.code][1],
        "status": problem.status_code,
        "detail": problem.detail,
        "instance": path_as_sent(scope),
        "code": problem.code,
        "request_id": request_id,
    }
    if problem.errors:
        body["errors"] = [{"pointer": at, "detail": message} for at, message in problem.errors]
    return Response(orjson.dumps(body), problem.status_code, problem.headers, media_type=MEDIA_TYPE)


def path_as_sent(scope: Scope) -> str:
    """The path still percent-encoded: a URI for a document, and no control character for a log."""
    return str(scope.get("raw_path") or quote(scope["path"]).encode(), "ascii", "replace")


async def handle(request: Request, error: Exception) -> Response:
    """The exception handler for everything raised in a route."""
    problem = problem_of(error)
    if problem.status_code == 405:
        # The framework names the methods of one route; a path has several.
        problem.headers = {"Allow": ", ".join(sorted(_methods_of(request)))}
    return answer(problem, request.scope)


def _methods_of(request: Request) -> set[str]:
    """Every method some route takes at this path; where one is GET, HEAD is, too."""
    at_path = (route for route in request.app.routes if route.matches(request.scope)[0] is not Match.NONE)
    methods = {method for route in at_path if isinstance(route, Route) for method in route.methods or ()}
    return methods | {"HEAD"} if "GET" in methods else methods


def _of_request(error: Exception) -> Problem | None:
    """What the framework and the JSON reader say."""
    match error:
        case Problem():
            return error
        case HTTPException():
            return _of_http(error)
        case RequestValidationError():
            return _of_validation(error)
        case JSONRefused():
            return _of_json(error)
        case ClientDisconnect():
            return Problem("bad_request", "The client left.")  # so nobody reads this
        case _:
            return None


def _of_domain(error: Exception) -> Problem | None:
    match error:
        case InputRefused():
            return invalid(error.problems)
        case StorageFull():
            log.warning("storage_full")
            return _disk_full("The database's disk is full. Nothing was stored: repeat the request.")
        case StoreUnavailable():
            return _store_unavailable(error)
        case TaskRunnerError() if error.code in KNOWN:
            is_hidden = KNOWN[error.code][0] == 404  # what is not there and what is not yours read the same
            return Problem(error.code, NOT_FOUND if is_hidden else str(error), headers=_hint(error))
        case _:
            return None


def _of_outage(error: Exception) -> Problem | None:
    if isinstance(error, OSError):
        is_full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        return _disk_full("The disk for files is full.") if is_full else None
    return _store_unavailable(error) if is_outage(error) else None


def _crash(error: Exception) -> Problem:
    log.error("request_crashed", exc_info=error)
    return Problem("internal_error", "Something went wrong here. The request id finds it in the logs.")


def _of_http(error: HTTPException) -> Problem:
    code = CODE_OF_STATUS.get(error.status_code, "bad_request" if error.status_code < 500 else "internal_error")
    detail = {404: NOT_FOUND, 405: "This path does not take this method."}.get(error.status_code, str(error.detail))
    return Problem(code, detail, headers=error.headers)


def _of_validation(error: RequestValidationError) -> Problem:
    """FastAPI's complaints; a path parameter that cannot be an id names nothing we have."""
    found = error.errors()
    if any(e["loc"][0] == "path" for e in found):
        return Problem("not_found", NOT_FOUND)
    return invalid([_place(tuple(e["loc"]), e["msg"]) for e in found])


def _of_json(error: JSONRefused) -> Problem:
    return (
        Problem("malformed_json", error.detail) if error.pointer is None else invalid([(error.pointer, error.detail)])
    )


def _place(location: tuple[int | str, ...], message: str) -> Pointed:
    where, *rest = location
    text = message.removeprefix("Value error, ")
    return (pointer(tuple(rest)) if where == "body" else str(rest[0]), text)


def _store_unavailable(error: Exception) -> Problem:
    log.warning("store_unavailable", error=type(bottom_of(error)).__name__)
    return Problem(
        "store_unavailable",
        "The database cannot be reached. Nothing was lost: repeat the request.",
        headers={"Retry-After": STORE_RETRY_AFTER},
    )


def _disk_full(detail: str) -> Problem:
    return Problem("storage-full", detail, headers={"Retry-After": DISK_RETRY_AFTER})


def _hint(error: TaskRunnerError) -> Mapping[str, str]:
    return {"Retry-After": "1"} if error.code == "idempotency_in_flight" else {}
