"""The command line on a real service: top, watch and completion, as a person and as a pipe have them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

from service.client import AsyncClient
from tests.e2e.conftest import Service
from tests.e2e.test_operating import until, until_status
from tests.support.terminal import Terminal

CLI = (sys.executable, "-c", "from service.cli.main import main; main()")


def env_of(service: Service, **more: str) -> dict[str, str]:
    # Without the size of a terminal that is not there: readline, loaded by who starts the tests, leaves one behind.
    own = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    return {**own, "TASKRUNNER_URL": service.url, **more}


async def taskrunner(service: Service, *arguments: str, **variables: str) -> str:
    """What it writes to stdout; it must end well."""
    process = await asyncio.create_subprocess_exec(
        *CLI, *arguments, env=env_of(service, **variables), stdout=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(60):
        out, _ = await process.communicate()
    assert process.returncode == 0
    return out.decode()


async def test_top_tells_what_runs_and_what_failed(service: Service, client: AsyncClient) -> None:
    failed = await client.submit("fatal", {})
    assert (await client.wait(failed.id, timeout=30)).status == "FAILED"
    task = await client.submit("sleep", {"value": 60.0})
    await until_status(client, task.id, "PROCESSING")
    try:
        frame = await taskrunner(service, "top", "--once")
        assert task.id in frame
        assert "sleep" in frame
        assert "never again" in frame
        told = json.loads(await taskrunner(service, "top", "-o", "json"))
        assert task.id in [one["id"] for one in told["running"]]
        assert failed.id in [one["id"] for one in told["failures"]]
        assert told["counters"]["running"] >= 1
        assert told["counters"]["slots"] >= 1
        assert told["hour"]["total"]["failed"] >= 1
    finally:
        await client.cancel(task.id)


async def test_inspect_tells_what_runs_what_is_known_and_what_is_set(service: Service, client: AsyncClient) -> None:
    task = await client.submit("sleep", {"value": 60.0})
    await until_status(client, task.id, "PROCESSING")
    try:
        assert task.id in (await taskrunner(service, "inspect", "active", "-o", "id")).split()
        [worker] = json.loads(await taskrunner(service, "inspect", "registered", "-o", "json"))
        assert {"sleep", "text_generation"} <= set(worker["types"])
        told = json.loads(await taskrunner(service, "inspect", "stats", "-o", "json"))
        assert (told["workers"], told["running"] >= 1, told["slots"]) == (1, True, 20)
        settings = json.loads(await taskrunner(service, "inspect", "conf", "-o", "json"))
        assert settings["TASKRUNNER_TASK_MODULES"] == ["tests.support.own_tasks"]
        assert service.env["TASKRUNNER_SECRET_KEY"] not in settings.values()
    finally:
        await client.cancel(task.id)


async def test_top_outlives_the_api(own_service: Service) -> None:
    api = await own_service.start_api()
    async with own_service.client() as client:
        await client.submit("simple_calculation", {"a": 1, "b": 2, "operation": "add"})
        with Terminal([*CLI, "top", "--interval", "0.5"], env_of(own_service)) as terminal:
            frame = await asyncio.to_thread(terminal.shows, "waiting 1 ")
            assert max(map(len, frame.splitlines())) <= 80
            api.send(signal.SIGKILL)
            await api.wait()
            assert "waiting 1 " in await asyncio.to_thread(terminal.shows, "old: no answer for")
            await own_service.start_api()
            await client.submit("simple_calculation", {"a": 1, "b": 2, "operation": "add"})
            assert "old:" not in await asyncio.to_thread(terminal.shows, "waiting 2 ")
            terminal.press("q")
            assert await asyncio.to_thread(terminal.wait) == 0


async def test_words_are_in_the_pipe_while_the_task_still_speaks(service: Service, client: AsyncClient) -> None:
    task = await client.submit("recite", {"words": 1_000, "pause": 0.05})
    watch = await asyncio.create_subprocess_exec(
        *CLI, "watch", task.id, env=env_of(service), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert watch.stdout is not None
    heard = ""
    async with asyncio.timeout(60):
        while "12 " not in heard:
            heard += (await watch.stdout.read(256)).decode()
    assert (await client.get(task.id)).status == "PROCESSING"
    assert heard.startswith("0 1 2 3 ")
    await client.cancel(task.id)
    async with asyncio.timeout(60):
        await watch.stdout.read()
        assert await watch.wait() == 1


async def test_events_of_a_finished_task_are_json_lines(service: Service, client: AsyncClient) -> None:
    task = await client.submit("recite", {"words": 3})
    await client.wait(task.id, timeout=30)
    events = [json.loads(line) for line in (await taskrunner(service, "watch", task.id, "-o", "json")).splitlines()]
    assert "".join(event["data"]["delta"] for event in events if event["event"] == "output") == "0 1 2 "
    assert events[-1]["event"] == "end"
    assert events[-1]["data"]["result"] == {"text": "0 1 2 "}


async def test_a_shell_is_told_the_types_of_this_service(service: Service) -> None:
    asked = {"_TASKRUNNER_COMPLETE": "complete_bash", "COMP_WORDS": "taskrunner\nsubmit\nsh", "COMP_CWORD": "2"}

    async def is_told() -> bool:
        return (await taskrunner(service, **asked)).split() == ["shout"]

    await until(is_told, "the type, in the time that a shell waits")
