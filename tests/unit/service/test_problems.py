"""Every error becomes one shape, by one map."""

from __future__ import annotations

import errno
import inspect
from typing import Any

import asyncpg
import orjson
import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from service.problems import KNOWN, MAX_ERRORS, Problem, answer, invalid, problem_of
from service.strict_json import JSONRefused
from shared.domain import errors
from shared.domain.errors import (
    Conflict,
    InputRefused,
    KeyInFlight,
    KeyReused,
    NotFound,
    StorageFull,
    StoreUnavailable,
    UnknownTaskType,
)
from shared.storage import FileTooLarge

SCOPE: dict[str, Any] = {"type": "http", "path": "/a b", "raw_path": b"/a%20b", "state": {"request_id": "r-1"}}


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (NotFound(), 404, "not_found"),
        (Conflict("It is COMPLETED."), 409, "conflict"),
        (KeyInFlight(), 409, "idempotency_in_flight"),
        (KeyReused(), 422, "idempotency_key_reused"),
        (UnknownTaskType("no x"), 422, "unknown_task_type"),
        (InputRefused([("/input/a", "Field required")]), 422, "validation_error"),
        (FileTooLarge(), 413, "file_too_large"),
        (JSONRefused("no"), 400, "malformed_json"),
        (JSONRefused("no", "/a"), 422, "validation_error"),
        (HTTPException(404), 404, "not_found"),
        (StoreUnavailable(), 503, "store_unavailable"),
        (PoolTimeoutError(), 503, "store_unavailable"),
        (asyncpg.ConnectionDoesNotExistError(), 503, "store_unavailable"),
        (OSError(errno.ENOSPC, "full"), 503, "storage-full"),
        (OSError(errno.EACCES, "a bug of ours"), 500, "internal_error"),
        (ZeroDivisionError("secret"), 500, "internal_error"),
    ],
    ids=repr,
)
def test_each_error_has_its_status_and_code(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error)
    assert (problem.status_code, problem.code) == (status, code)


def test_every_error_a_route_can_meet_is_in_the_map() -> None:
    raised_by_handlers_or_at_start = {
        errors.TaskRunnerError,
        errors.ConfigurationError,
        errors.Retry,
        errors.Fatal,
        errors.MissingExtra,
        errors.OutboundRefused,
        errors.ProviderUnavailable,
        errors.RateLimited,
    }
    tree = {c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.TaskRunnerError)}
    assert {c.code for c in tree - raised_by_handlers_or_at_start} <= set(KNOWN)


def test_the_document_says_what_rfc_9457_and_the_contract_want() -> None:
    response = answer(invalid([("/input/a", "Field required")]), SCOPE)
    assert response.headers["content-type"] == "application/problem+json"
    assert orjson.loads(response.body) == {
        "type": "urn:taskrunner:problem:validation_error",
        "title": "The request is not valid",
        "status": 422,
        "detail": "/input/a: Field required",
        "instance": "/a%20b",
        "code": "validation_error",
        "request_id": "r-1",
        "errors": [{"pointer": "/input/a", "detail": "Field required"}],
    }


def test_an_unexpected_error_tells_the_caller_nothing_of_itself() -> None:
    body = bytes(answer(problem_of(ZeroDivisionError("a secret")), SCOPE).body)
    assert b"secret" not in body
    assert b"Traceback" not in body


def test_a_full_disk_of_the_database_is_told_apart_from_an_outage() -> None:
    problem = problem_of(StorageFull())
    assert (problem.code, problem.status_code) == ("storage-full", 503)
    assert problem.headers == {"Retry-After": "30"}


@pytest.mark.parametrize(
    "error", [StoreUnavailable(), StorageFull(), KeyInFlight(), OSError(errno.ENOSPC, "")], ids=repr
)
def test_what_may_pass_says_when_to_come_back(error: Exception) -> None:
    headers = problem_of(error).headers
    assert headers is not None
    assert int(headers["Retry-After"]) > 0


def test_a_flood_of_errors_is_cut() -> None:
    assert len(invalid([("/a", "no")] * 1_000).errors) == MAX_ERRORS


def test_a_problem_passes_as_it_is() -> None:
    problem = Problem("conflict", "no")
    assert problem_of(problem) is problem
