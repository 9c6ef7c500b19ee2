"""Webhooks while things die: each end is told, by whoever is left, under one id; a dead receiver holds up nobody."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from service.client import AsyncClient
from shared.queue.webhooks import LEASE_SECONDS
from tests.chaos.conftest import Stage
from tests.support.evidence import started_of
from tests.support.faults import Recoveries, until, until_value
from tests.support.proxy import Proxy
from tests.support.receiver import HANG, Receiver

DELIVERED = "SELECT count(*) FROM webhook_deliveries WHERE state = 'delivered'"
WRITTEN = "SELECT count(*) FROM webhook_deliveries WHERE task_id = $1"
STATUS = "SELECT status FROM tasks WHERE id = $1"
SUM = {"type": "simple_calculation", "input": {"a": 2, "b": 3, "operation": "add"}}
TAKEN_OVER_SECONDS = LEASE_SECONDS + 10
NOT_DELAYED_SECONDS = 10.0


@pytest.fixture
async def receiver(stage: Stage) -> AsyncIterator[Receiver]:
    stage.service.env["TASKRUNNER_OUTBOUND_ALLOW"] = "127.0.0.1"
    async with Receiver() as opened:
        yield opened


async def secret_of(stage: Stage) -> str:
    async with AsyncClient(stage.service.url, timeout=30) as client:
        return (await client.webhook_secret()).secret


async def test_a_settle_whose_commit_was_not_heard_is_told_under_one_id(stage: Stage, receiver: Receiver) -> None:
    direct = stage.database_url
    async with Proxy.before(direct) as proxy, stage.api():
        stage.service.env["DATABASE_URL"] = proxy.url
        async with stage.worker(), stage.load(seconds=0.7) as load:
            secret = await secret_of(stage)
            task_id = await load.submit(callback_url=receiver.url)
            await until(lambda: task_id in started_of(stage.ledger), 30, "its start")
            loss = proxy.lose_reply_to(UUID(task_id).bytes)
            await loss.held()
            await until_value(direct, STATUS, UUID(task_id), is_="COMPLETED")
            proxy.cut()
            # Whoever did not hear the reply says it again: then a second task is told, and so all of the first.
            following = await load.submit(seconds=0, callback_url=receiver.url)
            await until_value(direct, DELIVERED, is_=2)
            evidence = await stage.judged(load)
    assert evidence.outcomes == {}, "one run each, and one end"
    assert {call.verified(secret)["type"] for call in receiver.calls} == {"task.completed"}
    for ended in (task_id, following):
        assert len({call.id for call in receiver.of(ended)}) == 1
        await until_value(direct, WRITTEN, UUID(ended), is_=1)


@pytest.mark.chaos
async def test_a_webhook_whose_worker_is_killed_in_the_middle_is_sent_by_another(
    stage: Stage, receiver: Receiver, recoveries: Recoveries
) -> None:
    receiver.script.append(HANG)
    async with stage.api():
        victim = await stage.service.start_worker()
        async with stage.load() as load:
            await load.submit(callback_url=receiver.url)
            await receiver.got(1)
            async with stage.worker():
                victim.send(signal.SIGKILL)
                killed_at = time.monotonic()
                await receiver.got(2, timeout=2 * TAKEN_OVER_SECONDS)
                took = time.monotonic() - killed_at
                await until_value(stage.database_url, DELIVERED, is_=1)
            first, second = receiver.calls
            assert (first.id, first.body) == (second.id, second.body)
            await stage.judged(load)
    recoveries.measured("kill -9 of a worker that sends a webhook: until another does", took, TAKEN_OVER_SECONDS)


@pytest.mark.chaos
async def test_a_dead_receiver_with_a_thousand_webhooks_delays_no_other(
    stage: Stage, receiver: Receiver, recoveries: Recoveries
) -> None:
    async with Receiver(always=HANG) as dead, stage.running(workers=2), AsyncClient(stage.service.url) as client:
        await client.submit_batch([{**SUM, "callback_url": dead.url}] * 1_000)
        await until_value(stage.database_url, "SELECT count(*) FROM webhook_deliveries", is_=1_000, timeout=60)
        began = time.monotonic()
        await client.submit_batch([{**SUM, "callback_url": receiver.url}] * 20)
        await until_value(stage.database_url, DELIVERED, is_=20)
        took = time.monotonic() - began
    assert dead.calls
    assert len(receiver.calls) == 20
    recoveries.measured("a dead receiver with 1,000 webhooks: until 20 of another arrived", took, NOT_DELAYED_SECONDS)
