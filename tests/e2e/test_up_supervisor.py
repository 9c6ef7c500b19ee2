"""The supervisor of ``taskrunner up``, over small real children."""

from __future__ import annotations

import asyncio
import io
import os
import pty
import re
import signal
import sys
from pathlib import Path

import pytest

from service.cli.process.child import restart_delay
from service.cli.process.console import Console
from tests.support.processes import Child, Processes, eventually_gone, is_alive


async def supervise(processes: Processes, *pairs: str) -> Child:
    child = processes.python("-m", "tests.support.supervised", *pairs)
    await child.wait_for_line("all ready")
    return child


async def pid_of(child: Child, name: str) -> int:
    return int((await child.wait_for_line(rf"^{name} .*pid (\d+)"))[1])


async def test_a_dead_child_is_started_again(processes: Processes) -> None:
    child = await supervise(processes, "one=polite")
    first = await pid_of(child, "one")
    os.kill(first, signal.SIGKILL)
    await child.wait_for_line(r"one ended \(signal SIGKILL\), starting it again in 0.5 s")

    async def came_back() -> bool:
        return len(set(re.findall(r"pid (\d+)", child.output))) == 2

    await child.wait_until(came_back, 10, what="a second pid")


async def test_a_child_that_keeps_dying_is_started_ever_more_slowly(processes: Processes) -> None:
    child = await supervise(processes, "one=mortal")
    await child.wait_for_line(r"exit code 3\), starting it again in 0.5 s")
    await child.wait_for_line(r"exit code 3\), starting it again in 1 s")
    await child.wait_for_line(r"exit code 3\), starting it again in 2 s")


async def test_what_ends_for_want_of_room_is_started_again_as_soon_as_there_is_some(
    processes: Processes, tmp_path: Path
) -> None:
    full = tmp_path / "full"
    full.touch()
    child = processes.python("-m", "tests.support.supervised", "one=starved", env={"FULL": str(full)})
    await child.wait_for_line(r"one ended \(exit code 1\): the disk of there is full; make room")
    assert "fed" not in child.output
    full.unlink()
    await child.wait_for_line("fed", timeout=10)
    assert child.output.count("make room") == 1, "it was not tried in vain meanwhile"


@pytest.mark.parametrize(
    ("previous", "uptime", "code", "expected"),
    [
        (0.0, 0.0, 1, 0.5),
        (0.5, 0.1, 1, 1.0),
        (16.0, 0.1, -9, 30.0),
        (30.0, 0.1, 1, 30.0),
        (30.0, 60.0, 1, 0.5),
        (8.0, 1.0, 0, 0.5),
    ],
)
def test_the_delay_doubles_to_thirty_seconds_and_falls_back_after_a_steady_minute_or_a_clean_end(
    previous: float, uptime: float, code: int, expected: float
) -> None:
    assert restart_delay(previous, uptime, code) == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_all_in_reverse_order_and_leaves_nothing_behind(
    processes: Processes, number: signal.Signals
) -> None:
    child = await supervise(processes, "one=polite", "two=polite", "three=polite")
    pids = [await pid_of(child, name) for name in ("one", "two", "three")]
    child.send(number)
    assert await child.wait() == 0
    said_bye = re.findall(r"^(\w+) +\| bye$", child.output, re.MULTILINE)
    assert said_bye == ["three", "two", "one"]
    await eventually_gone(*pids)


async def test_sighup_replaces_what_may_have_a_successor_one_after_the_other(processes: Processes) -> None:
    child = await supervise(processes, "one=stubborn", "two=polite", "three=polite")
    pids = {name: await pid_of(child, name) for name in ("one", "two", "three")}
    child.send(signal.SIGHUP)
    await child.wait_for_line("taskrunner .*replaced")
    assert re.findall(r"^(\w+) +\| bye", child.output, re.MULTILINE) == ["two", "three"]
    await eventually_gone(pids["two"], pids["three"])
    assert is_alive(pids["one"])

    async def came_back() -> bool:
        return sorted(re.findall(r"^(\w+) +\| pid", child.output, re.MULTILINE)[3:]) == ["three", "two"]

    await child.wait_until(came_back, 10, what="the pids of both successors")
    child.send(signal.SIGINT)
    await child.wait_for_line("Ctrl-C again kills")
    child.send(signal.SIGINT)
    assert await child.wait() == 0


async def test_a_child_whose_successor_does_not_get_ready_stays(processes: Processes) -> None:
    child = await supervise(processes, "one=last", "two=polite")
    one = await pid_of(child, "one")
    child.send(signal.SIGHUP)
    await child.wait_for_line("went no further, what runs stays: one did not become ready: not a word")
    assert is_alive(one)
    assert "bye" not in child.output
    child.send(signal.SIGTERM)
    assert await child.wait() == 0


async def test_a_terminal_that_goes_away_ends_all_that_ran_in_it() -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-m", "tests.support.supervised", "one=polite"])  # noqa: S606
    seen = b""
    while b"all ready" not in seen:
        seen += await asyncio.to_thread(os.read, terminal, 4_096)
    os.close(terminal)
    async with asyncio.timeout(20):
        ended, status = await asyncio.to_thread(os.waitpid, pid, 0)
    assert (ended, os.waitstatus_to_exitcode(status)) == (pid, 0)


async def test_a_second_ctrl_c_kills_a_child_that_will_not_stop(processes: Processes) -> None:
    child = await supervise(processes, "one=polite", "two=stubborn")
    pids = [await pid_of(child, name) for name in ("one", "two")]
    await child.wait_for_line("deaf")
    child.send(signal.SIGINT)
    await child.wait_for_line("Ctrl-C again kills")
    assert child.returncode is None
    child.send(signal.SIGINT)
    assert await child.wait(5) == 0
    await child.wait_for_line("two is killed")
    await eventually_gone(*pids)


async def test_kill_9_of_the_supervisor_ends_its_children(processes: Processes) -> None:
    child = await supervise(processes, "one=polite", "two=stubborn")
    pids = [await pid_of(child, name) for name in ("one", "two")]
    child.send(signal.SIGKILL)
    await child.wait()
    await eventually_gone(*pids)


async def test_a_childs_own_children_end_with_it(processes: Processes) -> None:
    child = await supervise(processes, "one=parent")
    grandchild = int((await child.wait_for_line(r"grandchild (\d+)"))[1])
    child.send(signal.SIGINT)
    assert await child.wait() == 0
    await eventually_gone(grandchild)


async def test_a_service_that_never_gets_ready_stops_those_before_it(processes: Processes) -> None:
    child = processes.python("-m", "tests.support.supervised", "one=polite", "two=mute", "three=polite")
    assert await child.wait() == 1
    assert "failed: two did not become ready: not a word" in child.output
    assert re.search(r"^one +\| bye$", child.output, re.MULTILINE)
    assert "three" not in child.output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "no_color", "expected"),
    [
        (Terminal, "", "\x1b[36mapi       \x1b[0m | hello\n"),
        (Terminal, "1", "api        | hello\n"),
        (io.StringIO, "", "api        | hello\n"),
    ],
)
def test_names_are_coloured_for_a_person_only(
    stream: type[io.StringIO], no_color: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    written = stream()
    Console(written).line("api", "hello")
    assert written.getvalue() == expected


def test_what_a_child_writes_cannot_steer_the_terminal() -> None:
    written = io.StringIO()
    Console(written).line("api", "\x1b[2Jgone\x07\ta tab")
    assert written.getvalue() == "api        | \\x1b[2Jgone\\x07\ta tab\n"
