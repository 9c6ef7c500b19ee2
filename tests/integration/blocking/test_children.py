"""Handlers in real child processes: what they are given, what they may call, what comes back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.domain.definition import TaskDefinition
from shared.domain.outcomes import Failed
from tests.integration.blocking.live_run import LiveRun
from tests.support import blocking_tasks as tasks
from tests.support.blocking_tasks import Loose, Text, Typed
from worker.blocking import BlockingRunner, HandlerFailed

MakeRunner = Callable[..., BlockingRunner]


async def value_of(runner: BlockingRunner, definition: TaskDefinition, live: LiveRun) -> Any:
    output = await runner.run(definition, live, Text())
    assert isinstance(output, Loose)
    return output.value


async def failure(runner: BlockingRunner, definition: TaskDefinition, live: LiveRun, kind: str) -> Failed:
    with pytest.raises(HandlerFailed) as caught:
        await runner.run(definition, live, Text(text=kind))
    return caught.value.facts


async def test_typed_input_and_output_survive_the_way_there_and_back(runner: BlockingRunner, live: LiveRun) -> None:
    given = Typed.model_validate(
        {"id": UUID(int=1), "at": datetime(2026, 1, 1, tzinfo=UTC), "path": "/x", "ratio": float("inf"), "from": "me"}
    )
    output = await runner.run(tasks.echo, live, given)
    assert output == given
    assert type(output) is Typed


async def test_the_handler_is_told_the_facts_of_its_run_and_is_another_process(
    runner: BlockingRunner, live: LiveRun
) -> None:
    *facts, pid = await value_of(runner, tasks.facts, live)
    assert facts == [str(live.task_id), 2, 4, "key-1"]
    assert pid in runner.child_pids
    assert pid != os.getpid()


async def test_progress_output_and_log_arrive_in_the_order_they_were_said(
    runner: BlockingRunner, live: LiveRun
) -> None:
    await runner.run(tasks.talk, live, Text())
    kinds = [(entry[0], entry[1]) for entry in live.said]
    assert kinds == [("progress", 10), ("emit", "a"), ("info", "step_done"), ("progress", 20), ("emit", "b")]
    facts = live.said[2][2]
    assert facts == {"path": Path("/x"), "odd": "<class 'object'>", "big": str(2**80)}


async def test_a_flood_of_progress_is_thinned_out_and_ends_with_the_last(runner: BlockingRunner, live: LiveRun) -> None:
    await runner.run(tasks.flood, live, Text())
    assert live.said[-1] == ("progress", 1_999 / 20, "1999")
    assert len(live.said) < 200


async def test_files_model_mail_and_statistics_are_reached_through_the_pipe(
    runner: BlockingRunner, live: LiveRun, tmp_path: Path
) -> None:
    value = await value_of(runner, tasks.world, live)
    assert value["read"] == value["fetched"] == "content"
    assert value["stored"] == [repr(await live.files.get(UUID(int=1))), "a.txt", "b.txt"]
    assert value["answers"] == ["hi!", 3, "True image/png what?", True]
    assert value["accepted"] == ["a@b.c", "s", "b", "<1@x>"]
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert value["rows"] == [repr(row) for row in await live.stats.window(now - timedelta(hours=1), now)]
    assert live.emitted == ["hi", "!"]


async def test_threads_of_a_handler_may_call_side_by_side(runner: BlockingRunner, live: LiveRun) -> None:
    assert await value_of(runner, tasks.parallel_calls, live) == [f"{n}!" for n in range(5)]


async def test_errors_of_the_world_can_be_caught_by_class(runner: BlockingRunner, live: LiveRun) -> None:
    assert await value_of(runner, tasks.catch, live) == [
        "FileMissing no file 100",
        "ProviderUnavailable away 0:00:05",
        "KeyError ('who', 1)",
        "FileNotFoundError 2 /gone",
    ]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("own", {"type": "OwnError", "message": "mine\\x00"}),
        ("fatal", {"type": "Fatal", "message": "never", "is_fatal": True}),
        ("retry", {"type": "Retry", "is_deferral": True, "retry_after": timedelta(seconds=7)}),
        ("provider", {"type": "ProviderUnavailable", "retry_after": timedelta(seconds=9)}),
        ("stop", {"type": "StopIteration"}),
        ("exit", {"type": "SystemExit", "message": "3"}),
        ("interrupt", {"type": "KeyboardInterrupt"}),
        ("unprintable", {"type": "Unprintable"}),
        ("group", {"type": "ExceptionGroup", "message": "two (2 sub-exceptions)"}),
        ("recursion", {"type": "RecursionError"}),
    ],
)
@pytest.mark.parametrize("definition", [tasks.raise_it, tasks.thread_raise], ids=["process", "thread"])
async def test_whatever_a_handler_raises_is_told_as_facts(
    runner: BlockingRunner, live: LiveRun, definition: TaskDefinition, kind: str, expected: dict[str, Any]
) -> None:
    facts = await failure(runner, definition, live, kind)
    assert {name: getattr(facts, name) for name in expected} == expected
    assert facts.is_fatal == (kind == "fatal")
    assert live.said == [("progress", 1, ""), ("progress", 50, "")]
    await runner.run(tasks.talk, live, Text())


async def test_an_own_error_keeps_its_lineage_and_traceback(runner: BlockingRunner, live: LiveRun) -> None:
    facts = await failure(runner, tasks.raise_it, live, "own")
    assert facts.lineage[:2] == ("tests.support.blocking_tasks.OwnError", "builtins.ValueError")
    assert facts.traceback is not None
    assert "raise error" in facts.traceback


@pytest.mark.parametrize(
    ("kind", "type_name", "says"),
    [
        ("none", "TypeError", "must return Loose, it returned NoneType"),
        ("dict", "TypeError", "must return Loose, it returned dict"),
        ("other", "TypeError", "must return Loose, it returned Text"),
        ("lambda", "PydanticSerializationError", "Unable to serialize unknown type"),
        ("cyclic", "PydanticSerializationError", "Circular reference"),
        ("surrogate", "PydanticSerializationError", "surrogates not allowed"),
        ("huge", "FrameTooLarge", "hand large data over as a file"),
    ],
)
async def test_an_output_that_cannot_be_is_a_clear_failure(
    runner: BlockingRunner, live: LiveRun, kind: str, type_name: str, says: str
) -> None:
    facts = await failure(runner, tasks.odd_output, live, kind)
    assert facts.type == type_name
    assert says in facts.message
    assert facts.is_fatal == (kind == "huge")
    await runner.run(tasks.talk, live, Text())


async def test_a_subclass_with_fields_its_model_refuses_is_a_type_error(runner: BlockingRunner, live: LiveRun) -> None:
    with pytest.raises(TypeError, match=r"(?s)b_odd_output.*cannot be read back.*more"):
        await runner.run(tasks.odd_output, live, Text(text="child"))


async def test_a_large_result_crosses(runner: BlockingRunner, live: LiveRun) -> None:
    output = await runner.run(tasks.odd_output, live, Text(text="large"))
    assert isinstance(output, Loose)
    assert len(output.value) == 20 << 20


async def test_prints_go_to_the_workers_stderr_and_break_nothing(
    make_runner: MakeRunner, live: LiveRun, capfd: pytest.CaptureFixture[str]
) -> None:
    output = await make_runner().run(tasks.print_it, live, Text(text="hello"))
    assert output == Text(text="printed")
    written = capfd.readouterr()
    assert written.out == ""
    assert written.err.count("hello") == 2
    assert "raw bytes" in written.err


async def test_a_handler_finds_nothing_on_standard_input(runner: BlockingRunner, live: LiveRun) -> None:
    assert (await failure(runner, tasks.print_it, live, "read")).type == "EOFError"


async def test_progress_that_the_live_run_refuses_fails_the_run(
    runner: BlockingRunner, live: LiveRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(percent: float, message: str = "") -> None:
        raise ValueError(f"{percent} is not welcome")

    monkeypatch.setattr(live, "progress", refuse)
    facts = await failure(runner, tasks.talk, live, "")
    assert (facts.type, facts.message) == ("ValueError", "10.0 is not welcome")


async def test_a_cancel_request_is_seen_by_the_handler(runner: BlockingRunner, live: LiveRun) -> None:
    running = asyncio.create_task(runner.run(tasks.look, live, Text()))
    await live.heard.wait()
    live.cancelled = True
    assert await asyncio.wait_for(running, 5) == Text(text="cancelled=True")


async def test_each_run_starts_in_the_workers_directory(make_runner: MakeRunner, live: LiveRun) -> None:
    runner = make_runner()
    for _ in range(2):
        assert await runner.run(tasks.wander, live, Text()) == Text(text=str(Path.cwd()))


async def test_a_thread_left_behind_cannot_speak_for_the_next_run(make_runner: MakeRunner, tmp_path: Path) -> None:
    runner = make_runner()
    await runner.run(tasks.left_thread, LiveRun(tmp_path), Text())
    for number in range(20):
        live = LiveRun(tmp_path)
        await runner.run(tasks.nap, live, Text(text=str(number)))
        assert live.emitted == [str(number)]
    assert len(runner.child_pids) == 1
