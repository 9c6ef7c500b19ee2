"""Answers as they are made, read over connections that break: with the real model, real processes, and the client."""

from __future__ import annotations

import signal

from service.client import AsyncClient, Event
from shared.embedded.ports import free_port
from tests.e2e.conftest import Service
from tests.support.processes import Processes
from tests.support.proxy import Proxy


async def test_a_reader_that_loses_its_stream_twice_in_mid_answer_has_all_of_it_once(service: Service) -> None:
    async with Proxy.before(service.url) as proxy, AsyncClient(proxy.url, timeout=60) as client:
        task = await client.submit(
            "text_generation", {"prompt": "Tell a long story of the sea.", "max_tokens": 60, "temperature": 0}
        )
        text, pieces, ids, result = "", 0, [], None
        async for event in client.events(task.id, timeout=120):
            ids.append(tuple(int(number) for number in event.id.split("-")))
            text += event.delta
            pieces += event.event == "output"
            assert event.event != "gap"
            if event.event == "output" and pieces in {3, 8}:
                proxy.cut()
            if event.task is not None:
                result = event.task.result
        assert pieces > 8, "the answer came in pieces, and was cut in the middle"
        assert result is not None
        assert text.strip() == result["text"].strip()
        assert ids == sorted(set(ids)), "a sequence, without a repeat"
        assert proxy.connections >= 3


async def test_a_stream_goes_on_at_the_next_api_process(own_service: Service) -> None:
    own_service.env |= {"TASKRUNNER_TASK_MODULES": "tests.support.own_tasks", "PYTHONPATH": "."}
    api = await own_service.start_api()
    await own_service.start_worker()
    expected = "".join(f"{number} " for number in range(150))
    for end in (signal.SIGKILL, signal.SIGTERM):
        async with own_service.client() as client:
            task = await client.submit("recite", {"words": 150, "pause": 0.02})
            text, has_broken = "", False
            async for event in client.events(task.id, timeout=60):
                text += event.delta
                if not has_broken and len(text) > 50:
                    has_broken = True
                    api.send(end)
                    await api.wait()
                    api = await own_service.start_api()
        assert has_broken
        assert text == expected


async def test_an_answer_is_read_here_and_then_there(service: Service, processes: Processes) -> None:
    other = Service(service.env, free_port(), processes)
    await other.start_api()
    async with service.client() as client, other.client() as elsewhere:
        task = await client.submit("recite", {"words": 60, "pause": 0.01, "fails": 1})
        told: list[Event] = []
        after = None
        while not told or told[-1].event != "end":
            for reader in (client, elsewhere):
                taken = 0
                async for event in reader.events(task.id, starting_after=after, timeout=60):
                    told.append(event)
                    after, taken = event.id, taken + 1
                    if taken == 3:
                        break
                if told[-1].event == "end":
                    break
    statuses = [event.data["status"] for event in told if event.event == "status"]
    assert statuses == ["PENDING", "PROCESSING", "RETRYING", "PROCESSING", "COMPLETED"]
    anew = max(index for index, event in enumerate(told) if event.data.get("status") == "PROCESSING")
    assert "".join(event.delta for event in told[anew:]) == "".join(f"{number} " for number in range(60))
    assert len({event.id for event in told}) == len(told)


async def test_the_command_line_shows_words_as_they_come(service: Service) -> None:
    async with service.client() as client:
        task = await client.submit("recite", {"words": 80, "pause": 0.01})
    watch = service.processes.taskrunner("watch", task.id, "-o", "id", env={"TASKRUNNER_URL": service.url})
    assert await watch.wait() == 0, watch.output
    assert "0 1 2 3" in watch.output
    assert watch.lines[-1] == task.id
