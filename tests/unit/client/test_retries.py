"""When a call is made again: only where a second delivery is harmless, and not for ever."""

from __future__ import annotations

import pytest

from service.client import AsyncClient, Client, RateLimited, ServiceUnavailable, Unreachable, patience
from service.client.calls import MAX_RETRIES, Call, pause_after_problem, pause_after_silence, problem_of
from service.client.calls import Reply as Answered
from service.client.errors import ProblemError
from tests.support.fake_api import FakeApi

TASKS = "/api/v1/tasks"
PROXY_PAGE = b"<html>Bad Gateway</html>"


def test_a_submit_whose_reply_is_lost_is_repeated_with_the_same_key(api: FakeApi, client: Client) -> None:
    api.lose_reply("POST", TASKS, times=2)
    task = client.submit("simple_calculation", {})
    keys = {r.headers["idempotency-key"] for r in api.seen("POST", TASKS)}
    assert (len(api.seen("POST", TASKS)), len(keys)) == (3, 1)
    assert list(api.tasks) == [task.id]


async def test_the_async_client_repeats_with_the_same_key(api: FakeApi, async_client: AsyncClient) -> None:
    api.lose_reply("POST", TASKS)
    api.refuse("POST", TASKS, 503, times=1, retry_after=0)
    await async_client.submit("simple_calculation", {})
    assert len({r.headers["idempotency-key"] for r in api.seen("POST", TASKS)}) == 1
    assert len(api.tasks) == 1


def test_an_upload_is_sent_whole_again(api: FakeApi, client: Client) -> None:
    api.refuse("POST", "/api/v1/files", 503, times=1, retry_after=0)
    info = client.upload(b"abc" * 1000)
    assert api.files[info.id][1] == b"abc" * 1000


def test_a_cancel_whose_reply_is_lost_is_not_repeated(api: FakeApi, client: Client) -> None:
    task = client.submit("simple_calculation", {})
    api.lose_reply("POST", f"{TASKS}/{task.id}/cancel")
    with pytest.raises(Unreachable):
        client.cancel(task.id)
    assert len(api.seen("POST", f"{TASKS}/{task.id}/cancel")) == 1


@pytest.mark.parametrize("status", [502, 504])
def test_what_a_proxy_lost_is_repeated_where_that_does_no_harm(api: FakeApi, client: Client, status: int) -> None:
    for _ in range(2):
        api.answer_once("POST", TASKS, status, PROXY_PAGE)
    task = client.submit("simple_calculation", {})
    assert len(api.seen("POST", TASKS)) == 3
    assert len({r.headers["idempotency-key"] for r in api.seen("POST", TASKS)}) == 1
    api.answer_once("POST", f"{TASKS}/{task.id}/cancel", status, PROXY_PAGE)
    with pytest.raises(ServiceUnavailable, match=f"{status} http_{status}"):
        client.cancel(task.id)
    assert len(api.seen("POST", f"{TASKS}/{task.id}/cancel")) == 1


@pytest.mark.parametrize(("status", "error"), [(503, ServiceUnavailable), (429, RateLimited)])
def test_a_passing_refusal_is_waited_out_but_not_for_ever(
    api: FakeApi, client: Client, status: int, error: type[ProblemError]
) -> None:
    api.refuse("GET", "/health", status, times=2, retry_after=0)
    assert client.health().status == "ok"
    api.refuse("GET", "/health", status, retry_after=0)
    with pytest.raises(error):
        client.health()
    assert len(api.seen("GET", "/health")) == 3 + 1 + MAX_RETRIES


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "3600"}])
def test_a_refusal_without_a_near_time_stands_at_once(api: FakeApi, client: Client, headers: dict[str, str]) -> None:
    api.answer("GET", "/health", 503, {"code": "store_unavailable"}, headers)
    with pytest.raises(ServiceUnavailable):
        client.health()
    assert len(api.requests) == 1


@pytest.mark.parametrize("status", [502, 503])
def test_a_service_that_restarts_while_a_task_is_watched_is_waited_for(
    api: FakeApi, client: Client, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(patience, "LATEST_LOOK", 0.01)
    api.steps["x"] = [{"status": "PROCESSING"}, {"status": "COMPLETED"}]
    task = client.submit("x", {})
    states = client.watch(task.id, 30)
    assert next(states).status == "PROCESSING"
    api.refuse("GET", f"{TASKS}/{task.id}", status, times=MAX_RETRIES + 2)
    assert next(states).status == "COMPLETED"


def test_an_outage_in_a_wait_ends_with_the_wait(api: FakeApi, client: Client) -> None:
    api.steps["stuck"] = [{"status": "PROCESSING"}]
    task = client.submit("stuck", {})
    states = client.watch(task.id, 2.5)
    next(states)
    api.refuse("GET", f"{TASKS}/{task.id}", 503)
    with pytest.raises(ServiceUnavailable):
        next(states)
    assert len(api.seen("GET", f"{TASKS}/{task.id}")) > 2


def test_a_service_that_was_never_there_is_named_at_once(api: FakeApi, client: Client) -> None:
    api.refuse("GET", f"{TASKS}/x", 503)
    with pytest.raises(ServiceUnavailable):
        client.wait("x", 60)
    assert len(api.requests) == 1


def test_our_own_cut_off_first_try_is_waited_for(api: FakeApi, client: Client) -> None:
    api.refuse("POST", TASKS, 409, "idempotency_in_flight", times=1, retry_after=0)
    assert client.submit("simple_calculation", {}).id


@pytest.mark.parametrize("retry", range(MAX_RETRIES))
def test_pauses_grow_and_are_jittered(retry: int) -> None:
    get = Call("GET", "/x", lambda reply: None)
    silence = Unreachable("http://x", "gone", may_have_arrived=True)
    low = pause_after_silence(get, silence, retry, jitter=0.0)
    high = pause_after_silence(get, silence, retry, jitter=1.0)
    assert (low, high) == pytest.approx((0.05 * 2**retry, 0.1 * 2**retry))


def test_a_call_that_never_left_may_be_made_again_whatever_it_does() -> None:
    post = Call("POST", "/x", lambda reply: None)
    assert pause_after_silence(post, Unreachable("u", "r", may_have_arrived=False), 0, jitter=0) is not None
    assert pause_after_silence(post, Unreachable("u", "r", may_have_arrived=True), 0, jitter=0) is None


def test_the_service_is_never_asked_again_sooner_than_it_said() -> None:
    problem = problem_of(Answered(503, {"retry-after": "2"}, b"upstream is away"))
    assert (problem.code, problem.retry_after) == ("http_503", 2.0)
    for jitter in (0.0, 0.5, 1.0):
        pause = pause_after_problem(problem, 0, may_be_repeated=False, jitter=jitter)
        assert pause is not None
        assert pause >= 2.0


@pytest.mark.parametrize("body", [b"", b"[1]", b'"x"', b'{"errors": [1, null]}', b"\xff"])
def test_any_body_can_be_a_refusal(body: bytes) -> None:
    assert problem_of(Answered(418, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, body)).code == "http_418"
