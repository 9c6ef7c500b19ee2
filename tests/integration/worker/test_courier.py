"""The courier against real receivers: what it sends verifies, and bad manners cost nobody but the one who has them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest

from shared.db.statements import webhooks as statements
from shared.domain.errors import StoreUnavailable
from shared.domain.verdict import completed
from shared.domain.webhooks import Delivery, DeliveryState
from shared.embedded.ports import free_port
from shared.queue.stores import Stores
from shared.queue.webhook_secrets import rotate_secret, valid_secrets
from shared.queue.webhooks import MOST_OF_A_LANE, deliveries_of, replay
from shared.settings import Settings
from tests.support.receiver import DRIP, HANG, Receiver
from tests.support.scenes.making import ended, execute, running
from tests.support.verbs import TENANT
from worker.maintenance.webhooks import Courier

SECONDS = 20.0


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"outbound_allow": ("127.0.0.1",), "retry_backoff_scale": 0.00001})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as opened:
        yield opened


@asynccontextmanager
async def courier(stores: Stores, *, attempt_seconds: float = 5.0, lease_seconds: float = 10.0) -> AsyncIterator[None]:
    carrying = asyncio.create_task(Courier(stores, attempt_seconds=attempt_seconds, lease_seconds=lease_seconds).run())
    try:
        yield
    finally:
        carrying.cancel()
        await asyncio.wait([carrying])


async def told(stores: Stores, url: str, **given: Any) -> UUID:
    """A task that has ended, and is to be told to ``url``."""
    run = await running(stores, callback_url=url, **given)
    await ended(stores, run, completed('{"result": 5}'))
    return run.id


async def only(stores: Stores, task_id: UUID) -> Delivery:
    [found] = await deliveries_of(stores, TENANT, task_id)
    return found


async def until_it_is(stores: Stores, task_id: UUID, state: DeliveryState, attempts: int = 0) -> Delivery:
    deadline = asyncio.get_running_loop().time() + SECONDS
    while (found := await only(stores, task_id)).state is not state or found.attempt < attempts:
        assert asyncio.get_running_loop().time() < deadline, found
        await asyncio.sleep(0.02)
    return found


async def test_an_end_is_told_once_and_verifies(stores: Stores, receiver: Receiver) -> None:
    [secret] = await valid_secrets(stores, TENANT)
    task_id = await told(stores, receiver.url + "?token=x", metadata={"order": 1})
    async with courier(stores):
        delivery = await until_it_is(stores, task_id, DeliveryState.DELIVERED)
    [call] = receiver.calls
    event = call.verified(secret.text)
    assert (call.path, call.id, call.headers["content-type"]) == ("/hook?token=x", str(delivery.id), "application/json")
    assert (event["type"], event["data"]["id"], event["data"]["status"]) == (
        "task.completed",
        str(task_id),
        "COMPLETED",
    )
    assert (event["data"]["result"], event["data"]["metadata"]) == ({"result": 5}, {"order": 1})
    assert event["timestamp"] == event["data"]["finished_at"]


async def test_a_tenant_that_never_asked_for_its_secret_is_signed_for_all_the_same(
    stores: Stores, receiver: Receiver
) -> None:
    await told(stores, receiver.url)
    async with courier(stores):
        [call] = await receiver.got(1)
    [secret] = await valid_secrets(stores, TENANT)
    call.verified(secret.text)


async def test_during_a_rotation_old_and_new_secret_verify(stores: Stores, receiver: Receiver) -> None:
    [old] = await valid_secrets(stores, TENANT)
    [new, _] = await rotate_secret(stores, TENANT)
    await told(stores, receiver.url)
    async with courier(stores):
        [call] = await receiver.got(1)
    assert call.verified(old.text) == call.verified(new.text)
    assert len(call.headers["webhook-signature"].split(" ")) == 2


async def test_a_receiver_that_breaks_hears_it_again_under_the_same_id(stores: Stores, receiver: Receiver) -> None:
    receiver.script.extend([500, 503, 404])
    task_id = await told(stores, receiver.url)
    async with courier(stores):
        delivery = await until_it_is(stores, task_id, DeliveryState.DELIVERED)
    assert [a["status"] for a in delivery.attempts] == [500, 503, 404, 204]
    assert {call.id for call in receiver.calls} == {str(delivery.id)}
    assert len({call.body for call in receiver.calls}) == 1


async def test_a_replay_is_the_same_event_under_the_same_id(stores: Stores, receiver: Receiver) -> None:
    task_id = await told(stores, receiver.url)
    async with courier(stores):
        delivery = await until_it_is(stores, task_id, DeliveryState.DELIVERED)
        await replay(stores, TENANT, delivery.id)
        await until_it_is(stores, task_id, DeliveryState.DELIVERED, attempts=2)
    first, second = receiver.calls
    assert (first.id, first.body) == (second.id, second.body)


async def test_410_is_the_last_that_is_sent(stores: Stores, receiver: Receiver) -> None:
    receiver.always = 410
    task_id = await told(stores, receiver.url)
    async with courier(stores):
        await until_it_is(stores, task_id, DeliveryState.GONE)
        marker = await told(stores, receiver.url)
        await until_it_is(stores, marker, DeliveryState.GONE)
    assert len(receiver.of(task_id)) == 1


@pytest.mark.parametrize("manners", [HANG, DRIP])
async def test_a_receiver_that_does_not_end_its_answer_is_left(
    stores: Stores, receiver: Receiver, manners: str
) -> None:
    receiver.script.append(manners)
    task_id = await told(stores, receiver.url)
    async with courier(stores, attempt_seconds=0.5):
        delivery = await until_it_is(stores, task_id, DeliveryState.DELIVERED)
    first, second = delivery.attempts
    assert (first["status"], first["error"], second["status"]) == (None, "no answer within 0.5 s", 204)
    assert 0.5 <= first["duration"] < 5


async def test_a_redirect_is_not_followed(stores: Stores, receiver: Receiver) -> None:
    async with Receiver() as elsewhere:
        receiver.always, receiver.headers = 302, {"Location": elsewhere.url}
        task_id = await told(stores, receiver.url)
        async with courier(stores):
            delivery = await until_it_is(stores, task_id, DeliveryState.WAITING, attempts=2)
        assert elsewhere.calls == []
    assert [(a["status"], a["error"]) for a in delivery.attempts[:2]] == [(302, "redirects are not followed")] * 2


async def test_a_host_nobody_listens_on_is_tried_again(stores: Stores) -> None:
    task_id = await told(stores, f"http://127.0.0.1:{free_port()}/")
    async with courier(stores):
        delivery = await until_it_is(stores, task_id, DeliveryState.WAITING, attempts=2)
    assert {(a["status"], a["error"]) for a in delivery.attempts} == {(None, "no answer: ConnectError")}


async def test_a_name_that_turns_to_a_private_address_is_refused_at_each_attempt(
    stores: Stores, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public when it was submitted, or last time; what counts is the answer of this attempt."""
    asked = []

    async def getaddrinfo(_self: Any, host: str, port: int, **_: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(type(asyncio.get_running_loop()), "getaddrinfo", getaddrinfo)
    task_id = await told(stores, f"https://rebinding.example:{receiver.port}/")
    async with courier(stores):
        delivery = await until_it_is(stores, task_id, DeliveryState.WAITING, attempts=2)
    assert receiver.calls == []
    assert len(asked) >= 2
    assert "not a public address" in delivery.attempts[0]["error"]
    assert "127.0.0.1" not in str(delivery.attempts)


async def test_a_dead_endpoint_with_a_thousand_deliveries_delays_nobody(stores: Stores, receiver: Receiver) -> None:
    async with Receiver(always=HANG) as dead:
        await told(stores, dead.url)
        await execute(stores, MANY_MORE, most=999)
        async with courier(stores, attempt_seconds=3 * SECONDS, lease_seconds=4 * SECONDS):
            await dead.got(MOST_OF_A_LANE)
            ids = [await told(stores, receiver.url) for _ in range(10)]
            for task_id in ids:
                await until_it_is(stores, task_id, DeliveryState.DELIVERED)
        assert dead.most_open == MOST_OF_A_LANE
    assert len(receiver.calls) == 10


MANY_MORE = """
    WITH made AS (
        INSERT INTO tasks SELECT t.* FROM tasks o, generate_series(1, :most) AS n, LATERAL
            jsonb_populate_record(o, jsonb_build_object('id', CAST(md5(n::text) AS uuid))) AS t RETURNING id
    )
    INSERT INTO webhook_deliveries
    SELECT d.* FROM made, webhook_deliveries o, LATERAL
        jsonb_populate_record(o, jsonb_build_object('id', made.id, 'task_id', made.id)) AS d
"""


async def test_many_receivers_are_called_at_once_and_all_of_many_events_arrive(
    stores: Stores, receiver: Receiver
) -> None:
    for _ in range(30):
        await told(stores, receiver.url)
    async with courier(stores), courier(stores):
        await receiver.got(30)
    assert len({call.id for call in receiver.calls}) == 30


async def test_a_courier_that_is_stopped_gives_back_what_it_carries(stores: Stores, receiver: Receiver) -> None:
    receiver.script.append(HANG)
    task_id = await told(stores, receiver.url)
    async with courier(stores, lease_seconds=3_600):
        await receiver.got(1)
    async with courier(stores, lease_seconds=3_600):
        delivery = await until_it_is(stores, task_id, DeliveryState.DELIVERED)
    assert delivery.attempt == 1, "an attempt that was given up counts for nothing"


async def test_a_delivery_whose_carrier_vanished_is_anothers_once_the_lease_is_over(
    stores: Stores, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.script.append(HANG)
    task_id = await told(stores, receiver.url)

    async def not_a_word(*_: Any) -> None:
        """As after kill -9."""

    monkeypatch.setattr(Courier, "_give_back", not_a_word)
    async with courier(stores, lease_seconds=1):
        await receiver.got(1)
    assert (await only(stores, task_id)).state is DeliveryState.WAITING
    async with courier(stores):
        await until_it_is(stores, task_id, DeliveryState.DELIVERED)
    assert len({call.id for call in receiver.calls}) == 1


async def test_a_courier_outlives_an_outage_of_the_database(
    stores: Stores, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([StoreUnavailable()] * 3)
    autocommit = stores.db.autocommit

    def failing() -> Any:
        if error := next(failures, None):
            raise error
        return autocommit()

    task_id = await told(stores, receiver.url)
    monkeypatch.setattr(stores.db, "autocommit", failing)
    async with courier(stores):
        await receiver.got(1)
        monkeypatch.undo()
        await until_it_is(stores, task_id, DeliveryState.DELIVERED)


async def test_what_was_sent_is_not_sent_again_because_the_database_went_away(
    stores: Stores, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = iter([StoreUnavailable()] * 2)
    written = statements.record

    async def failing(*given: Any) -> bool:
        if error := next(failures, None):
            raise error
        return await written(*given)

    monkeypatch.setattr(statements, "record", failing)
    task_id = await told(stores, receiver.url)
    async with courier(stores):
        delivery = await until_it_is(stores, task_id, DeliveryState.DELIVERED)
    assert (len(receiver.calls), delivery.attempt) == (1, 1)
