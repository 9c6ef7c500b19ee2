"""Whatever a caller sends, the answer is one the contract knows, and never our fault."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import httpx
import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.schemas.tasks import TaskRequest
from tests.integration.api.conftest import SUM

# The stores serve every example of a test: what one leaves does not matter to the next.
many = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
REFUSALS = {400, 404, 405, 409, 413, 414, 415, 422, 431}

texts = st.text(max_size=20) | st.sampled_from(
    ["simple_calculation", "text_generation", "urgent", "2030-01-01T00:00:00Z"]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts
values = st.recursive(scalars, lambda v: st.lists(v, max_size=3) | st.dictionaries(texts, v, max_size=3), max_leaves=8)
fields = st.sampled_from([*TaskRequest.model_fields, "surplus"])
times = st.datetimes().map(lambda at: at.isoformat() + "Z") | texts
objects = st.dictionaries(texts, values, max_size=4)
operands = st.sampled_from(["a", "b", "operation", "fail_times", "file_id", "rows", "operations", "messages"])
inputs = st.sampled_from([SUM["input"], {"prompt": "x"}]) | st.dictionaries(operands, values, max_size=4)
# Mostly plausible, so that much of it reaches the stores; the rest is anything at all.
plausible = st.fixed_dictionaries(
    {"type": st.just(SUM["type"]) | texts, "input": inputs},
    optional={
        "priority": st.integers(-1, 10),
        "delay": st.floats(0, 1e10),
        "run_at": times,
        "expires_at": times,
        "timeout": st.floats(0, 1e8),
        "max_attempts": st.integers(0, 40_000),
        "tags": st.lists(texts, max_size=3),
        "metadata": objects,
    },
)
requests = (
    st.builds(lambda some: {**SUM, "metadata": some}, objects)
    | plausible
    | st.dictionaries(fields, values, max_size=6)
    | st.fixed_dictionaries({"prompt": texts}, optional={"model": texts, "tags": values})
)


def assert_known(answer: httpx.Response, *good: int) -> None:
    assert answer.status_code in {*good, *REFUSALS}, (answer.status_code, answer.text)
    if answer.status_code in REFUSALS:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


def encoded(value: Any) -> bytes:
    """JSON as a careless client writes it: NaN, lone surrogates and all."""
    return json.dumps(value).encode("utf-8", "surrogatepass")


@many
@given(body=requests)
async def test_any_task_is_accepted_or_refused(api: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await api.post("/api/v1/tasks", content=encoded(body), headers={"content-type": "application/json"})
    assert_known(answer, 201)
    if answer.status_code == 201:
        read = await api.get(answer.headers["location"])
        assert orjson.loads(read.content)["input"] == answer.json()["input"]


@many
@given(body=st.lists(requests, max_size=3) | values)
async def test_any_batch_is_accepted_or_refused(api: httpx.AsyncClient, body: Any) -> None:
    headers = {"content-type": "application/json", "Idempotency-Key": "k"}
    assert_known(await api.post("/api/v1/tasks/batch", content=encoded({"tasks": body}), headers=headers), 201)


@many
@given(
    path=st.sampled_from(["/api/v1/tasks", "/api/v1/workers", "/health/live", "/api/v1/task-types"]),
    query=st.lists(
        st.tuples(
            st.sampled_from(["limit", "cursor", "status", "type", "queue", "tag", "created_after", "wait"]), st.text()
        ),
        max_size=4,
    ),
)
async def test_any_query_is_answered_or_refused(
    api: httpx.AsyncClient, path: str, query: list[tuple[str, str]]
) -> None:
    sent = "&".join(f"{name}={quote(value.encode('utf-8', 'surrogatepass'))}" for name, value in query)
    assert_known(await api.get(f"{path}?{sent}"), 200)


@many
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]),
    root=st.sampled_from(["/api/v1/tasks/", "/api/v1/files/", "/api/v1/", "/"]),
    rest=st.text(max_size=20),
)
async def test_any_path_is_answered_or_refused(api: httpx.AsyncClient, method: str, root: str, rest: str) -> None:
    path = root + quote(rest.encode("utf-8", "surrogatepass"), safe="/")
    answer = await api.request(method, path)
    assert answer.status_code in {200, 204, *REFUSALS}, (answer.status_code, answer.text)


@many
@given(body=st.binary(max_size=200), boundary=st.sampled_from([b"b", b"\xff", b"b b", b'"b"']))
async def test_any_upload_is_taken_or_refused(api: httpx.AsyncClient, body: bytes, boundary: bytes) -> None:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    for content in (body, head + body, head + body + b"\r\n--b--\r\n"):
        kind = b"multipart/form-data; boundary=" + boundary
        assert_known(await api.post("/api/v1/files", content=content, headers={b"content-type": kind}), 201)
