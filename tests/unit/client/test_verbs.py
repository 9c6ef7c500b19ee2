"""What the client asks, over real HTTP, and what it makes of the answers."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest

from service.client import (
    AsyncClient,
    Client,
    ClientError,
    ConflictError,
    NotFound,
    TaskFailed,
    UnexpectedAnswer,
    Unreachable,
    ValidationFailed,
    WaitTimedOut,
)
from tests.support.fake_api import FakeApi

ADD = {"a": 40, "b": 2, "operation": "add"}
FAILED = {"status": "FAILED", "error": {"type": "ValueError", "message": "no", "retryable": False}}


def test_a_submitted_task_is_waited_for_until_its_result(client: Client) -> None:
    task = client.submit("simple_calculation", ADD)
    assert (task.status, task.is_final) == ("PENDING", False)
    done = client.wait(task.id, check=True)
    assert done.is_completed
    assert done.result == {"operation": "add", "result": 42}


def test_options_left_out_or_none_are_not_sent(api: FakeApi, client: Client) -> None:
    client.submit("simple_calculation", ADD, queue="urgent", priority=0, delay=None)
    (got,) = api.seen("POST", "/api/v1/tasks")
    assert got.json == {"type": "simple_calculation", "input": ADD, "queue": "urgent", "priority": 0}


def test_submit_with_wait_prefers_the_finished_task(api: FakeApi, client: Client) -> None:
    assert client.submit("simple_calculation", ADD, wait=5).is_completed
    assert api.requests[-1].headers["prefer"] == "wait=5"


def test_generate_is_a_text_generation(api: FakeApi, client: Client) -> None:
    client.generate("Hello", "tiny", tags=["x"])
    assert api.requests[-1].json == {
        "type": "text_generation",
        "input": {"prompt": "Hello", "model": "tiny"},
        "tags": ["x"],
    }


def test_every_creating_call_carries_a_key_of_its_own(api: FakeApi, client: Client) -> None:
    client.submit("simple_calculation", ADD)
    client.submit_batch([{"type": "simple_calculation", "input": ADD}] * 3)
    client.upload(b"abc")
    keys = [r.headers["idempotency-key"] for r in api.requests]
    assert len(set(keys)) == 3
    client.submit("simple_calculation", ADD, idempotency_key="mine")
    assert api.requests[-1].headers["idempotency-key"] == "mine"


def test_a_batch_answers_ids_in_order(api: FakeApi, client: Client) -> None:
    refs = client.submit_batch({"type": "simple_calculation", "input": ADD, "queue": None} for _ in range(3))
    assert [ref.id for ref in refs] == list(api.tasks)
    assert api.requests[-1].json["tasks"][0] == {"type": "simple_calculation", "input": ADD}


def test_watch_yields_each_change_and_ends_with_the_final_task(client: Client) -> None:
    task = client.submit("simple_calculation", ADD)
    seen = [(t.status, t.progress.percent if t.progress else None) for t in client.watch(task.id)]
    assert seen == [("PROCESSING", 50.0), ("COMPLETED", None)]


def test_watch_is_silent_while_nothing_changes(api: FakeApi, client: Client) -> None:
    api.steps["slow"] = [{"status": "PROCESSING"}, {}, {"status": "COMPLETED"}]
    task = client.submit("slow", {})
    assert [t.status for t in client.watch(task.id)] == ["PROCESSING", "COMPLETED"]


@pytest.mark.parametrize("timeout", [0, 0.3])
def test_waiting_and_watching_give_up_in_time_and_say_where_the_task_stands(
    api: FakeApi, client: Client, timeout: float
) -> None:
    api.steps["stuck"] = [{"status": "PROCESSING"}]
    task = client.submit("stuck", {})
    with pytest.raises(WaitTimedOut, match="still PROCESSING") as waited:
        client.wait(task.id, timeout)
    assert waited.value.task.id == task.id
    with pytest.raises(TimeoutError):
        list(client.watch(task.id, timeout))


def test_wait_raises_for_a_failed_task_only_when_asked_to_check(api: FakeApi, client: Client) -> None:
    api.steps["bad"] = [FAILED]
    task = client.submit("bad", {})
    assert client.wait(task.id).status == "FAILED"
    with pytest.raises(TaskFailed, match="ValueError: no"):
        client.wait(task.id, check=True)


def test_a_list_reads_on_over_its_pages_only_as_far_as_it_is_read(api: FakeApi, client: Client) -> None:
    for _ in range(5):
        client.submit("simple_calculation", ADD)
    assert len(list(client.list(page_size=2, status=["PENDING"]))) == 5
    pages = api.seen("GET", "/api/v1/tasks")
    assert [p.query.get("cursor") for p in pages] == [None, ["2"], ["4"]]
    next(iter(client.list(page_size=2)))
    assert len(api.seen("GET", "/api/v1/tasks")) == 4


def test_filters_may_hold_several_values(api: FakeApi, client: Client) -> None:
    list(client.list(status=["FAILED", "PENDING"], type="a"))
    assert api.requests[-1].query == {"status": ["FAILED", "PENDING"], "type": ["a"], "limit": ["50"]}


def test_cancel_retry_and_attempts(api: FakeApi, client: Client) -> None:
    task = client.submit("simple_calculation", ADD)
    assert client.cancel(task.id).status == "CANCELLED"
    with pytest.raises(ConflictError, match="CANCELLED"):
        client.cancel(task.id)
    assert client.retry(task.id).generation == 2
    assert client.attempts(task.id)[0].outcome == "completed"


@pytest.mark.parametrize("as_path", [True, False])
def test_a_file_goes_up_and_comes_back_whole(api: FakeApi, client: Client, tmp_path: Path, as_path: bool) -> None:
    data = bytes(range(256)) * 999
    source = tmp_path / "käse.bin"
    source.write_bytes(data)
    info = client.upload(source if as_path else data, name=None if as_path else "käse.bin")
    assert (info.name, info.sha256) == ("käse.bin", hashlib.sha256(data).hexdigest())
    target = client.download(info.id, tmp_path / "back.bin")
    assert target.read_bytes() == data
    assert client.file_info(info.id).size == len(data)
    client.delete_file(info.id)
    assert not api.files


def test_a_failed_download_leaves_nothing_behind(client: Client, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        client.download("nope", tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_types_workers_and_health(client: Client) -> None:
    assert "simple_calculation" in [t.name for t in client.task_types()]
    assert client.workers()[0].missing == {}
    assert client.health().components["broker"].status == "ok"


def test_fields_of_a_newer_service_are_kept(api: FakeApi, client: Client) -> None:
    api.answer("GET", "/api/v1/tasks/x", 200, {"id": "x", "type": "t", "status": "DREAMING", "mood": {"a": 1}})
    task = client.get("x")
    assert task.document() == {"id": "x", "type": "t", "status": "DREAMING", "mood": {"a": 1}}
    assert not task.is_final


def test_an_id_cannot_leave_its_place_in_the_path(api: FakeApi, client: Client) -> None:
    with pytest.raises(NotFound):
        client.get("a/../../health")
    assert api.requests[-1].path == "/api/v1/tasks/a%2F..%2F..%2Fhealth"


def test_a_refusal_carries_the_problem(api: FakeApi, client: Client) -> None:
    api.refuse(
        "POST",
        "/api/v1/tasks",
        422,
        "validation_error",
        detail="No.",
        errors=[{"pointer": "/input/a", "detail": "Field required"}],
        request_id="r9",
    )
    with pytest.raises(ValidationFailed, match="/input/a: Field required") as caught:
        client.submit("simple_calculation", {})
    assert (caught.value.status, caught.value.code, caught.value.request_id) == (422, "validation_error", "r9")


def test_a_page_that_is_no_answer_of_ours_is_named_so(api: FakeApi, client: Client) -> None:
    api.answer("GET", "/health", 200, b"<html>hello</html>")
    with pytest.raises(UnexpectedAnswer, match="is this address a task runner"):
        client.health()


def test_the_key_is_sent_as_a_bearer_token(api: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKRUNNER_URL", f"{api.url}/")
    monkeypatch.setenv("TASKRUNNER_API_KEY", "trk_1.s")
    with Client() as client:
        client.health()
    assert api.requests[-1].headers["authorization"] == "Bearer trk_1.s"


@pytest.mark.parametrize("url", ["127.0.0.1:8000", "ftp://x", "http://", "http://[::1", "http://x:99999"])
def test_a_wrong_address_is_refused_before_any_call(url: str) -> None:
    with pytest.raises(ClientError, match="http://host:port"):
        Client(url)


def test_a_key_with_stray_characters_is_refused() -> None:
    with pytest.raises(ClientError, match="copy it again"):
        Client("http://127.0.0.1:1", "trk_1.s\nX-Evil: 1")


def test_one_client_serves_many_threads(api: FakeApi, client: Client) -> None:
    def submit() -> None:
        client.wait(client.submit("simple_calculation", ADD).id, 20)

    threads = [threading.Thread(target=submit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [task["status"] for task in api.tasks.values()] == ["COMPLETED"] * 8


async def test_the_async_client_does_the_same(api: FakeApi, async_client: AsyncClient, tmp_path: Path) -> None:
    info = await async_client.upload(b"abc", name="a.txt")
    path = await async_client.download(info.id, tmp_path / "b.txt")
    assert path.read_bytes() == b"abc"
    task = await async_client.submit("simple_calculation", ADD)
    assert [t.status async for t in async_client.watch(task.id)] == ["PROCESSING", "COMPLETED"]
    assert (await async_client.wait(task.id)).is_completed
    assert [t.id async for t in async_client.list(type="simple_calculation")] == [task.id]
    with pytest.raises(NotFound):
        await async_client.get("nope")


async def test_the_async_client_names_an_absent_service() -> None:
    async with AsyncClient("http://127.0.0.1:9") as client:
        with pytest.raises(Unreachable, match="nothing listens there"):
            await client.health()


def test_both_clients_offer_the_same_verbs() -> None:
    def verbs(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")} - {"close", "aclose"}

    assert verbs(Client) == verbs(AsyncClient)
