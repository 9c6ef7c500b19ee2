"""``def`` task types for the tests of worker/blocking; imported by real child processes."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import Field, computed_field

from shared.tasks import BlockingRun, ChatMessage, Fatal, FileMissing, ProviderUnavailable, Retry, TaskModel, task


class Text(TaskModel):
    text: str = ""


class Typed(TaskModel):
    """Types that JSON lacks, an alias and a computed field: all must survive the way there and back."""

    id: UUID
    at: datetime
    path: Path
    ratio: float
    from_: str = Field(alias="from", default="")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def shout(self) -> str:
        return self.from_.upper()


class Loose(TaskModel):
    value: Any = None


class LooseChild(Loose):
    more: int = 1


class OwnError(ValueError):
    """A class the worker never sees."""


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


@task(type="b_echo")
def echo(run: BlockingRun, given: Typed) -> Typed:
    return given


@task(type="b_facts")
def facts(run: BlockingRun, given: Text) -> Loose:
    return Loose(value=[str(run.task_id), run.attempt, run.max_attempts, run.idempotency_key, os.getpid()])


@task(type="b_talk")
def talk(run: BlockingRun, given: Text) -> Text:
    run.progress(10, "start")
    run.emit("a")
    run.log.info("step_done", path=Path("/x"), odd=object, big=2**80)
    run.progress(20)
    run.emit("b")
    return Text(text=given.text)


@task(type="b_flood")
def flood(run: BlockingRun, given: Text) -> Text:
    for step in range(2_000):
        run.progress(step / 20, str(step))
    return Text()


@task(type="b_world")
def world(run: BlockingRun, given: Text) -> Loose:
    stored = run.files.get(UUID(int=1))
    saved = run.files.save("a.txt", b"\x00bytes", "text/plain")
    os.chdir(stored.path.parent)
    copied = run.files.save("b.txt", Path(stored.path.name))
    answer = run.ai.generate([ChatMessage("user", "hi")], model="m", max_tokens=3)
    seen = run.ai.describe_image(Path("image.png"), "image/png", "what?")
    accepted = run.mail.send(to=["a@b.c"], subject="s", body="b", message_id="<1@x>")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    rows = run.stats.window(now - timedelta(hours=1), now)
    return Loose(
        value={
            "read": stored.path.read_text(),
            "fetched": run.files.fetch("https://x.example/f", max_bytes=10).read_text(),
            "stored": [repr(stored), saved.name, copied.name],
            "answers": [answer.text, answer.usage.total_tokens, seen.text, run.ai.has_vision],
            "accepted": accepted,
            "rows": [repr(row) for row in rows],
        }
    )


@task(type="b_parallel_calls")
def parallel_calls(run: BlockingRun, given: Text) -> Loose:
    texts: list[str] = []

    def ask(number: int) -> None:
        texts.append(run.ai.generate([ChatMessage("user", str(number))]).text)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Loose(value=sorted(texts))


@task(type="b_catch")
def catch(run: BlockingRun, given: Text) -> Loose:
    caught: list[str] = []
    for number in range(4):
        try:
            run.files.get(UUID(int=100 + number))
        except FileMissing as error:
            caught.append(f"FileMissing {error}")
        except ProviderUnavailable as error:
            caught.append(f"ProviderUnavailable {error} {error.retry_after}")
        except KeyError as error:
            caught.append(f"KeyError {error.args}")
        except FileNotFoundError as error:
            caught.append(f"FileNotFoundError {error.errno} {error.filename}")
    return Loose(value=caught)


def _recurse() -> None:
    _recurse()


ERRORS: dict[str, Callable[[], BaseException]] = {
    "own": lambda: OwnError("mine\x00"),
    "fatal": lambda: Fatal("never"),
    "retry": lambda: Retry("later", delay=7),
    "provider": lambda: ProviderUnavailable("busy", retry_after=timedelta(seconds=9)),
    "stop": StopIteration,
    "exit": lambda: SystemExit(3),
    "interrupt": KeyboardInterrupt,
    "unprintable": Unprintable,
    "group": lambda: ExceptionGroup("two", [ValueError("x"), OwnError("y")]),
}


@task(type="b_raise")
def raise_it(run: BlockingRun, given: Text) -> Text:
    run.progress(1)
    run.progress(50)
    if given.text == "recursion":
        _recurse()
    error = ERRORS[given.text]()
    raise error


@task(type="b_odd_output")
def odd_output(run: BlockingRun, given: Text) -> Loose:
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    outputs: dict[str, Any] = {
        "none": None,
        "dict": {"value": 1},
        "other": Text(),
        "lambda": Loose(value=lambda: 1),
        "child": LooseChild(value=1),
        "cyclic": Loose(value=cyclic),
        "surrogate": Loose(value="\ud800"),
        "huge": Loose(value="x" * (65 << 20)) if given.text == "huge" else None,
        "large": Loose(value="x" * (20 << 20)) if given.text == "large" else None,
    }
    return outputs[given.text]  # type: ignore[no-any-return]


@task(type="b_print")
def print_it(run: BlockingRun, given: Text) -> Text:
    print(given.text, "x" * 100_000)  # noqa: T201 - what this one is for
    os.write(1, b"raw bytes \xff\xc1\n")
    print(given.text, file=sys.stderr)  # noqa: T201
    return Text(text=input() if given.text == "read" else "printed")


@task(type="b_die")
def die(run: BlockingRun, given: Text) -> Text:
    match given.text:
        case "exit":
            os._exit(9)
        case "segfault":
            ctypes.string_at(0)
        case "orphan":
            # A forked process holds a copy of the pipe: its end does not end with the child.
            if os.fork() == 0:
                time.sleep(60)
            os._exit(9)
        case "garbage":
            os.write(int(sys.argv[1]), b"\xff" * 8)
            time.sleep(60)
        case signal_number:
            os.kill(os.getpid(), int(signal_number))
            time.sleep(60)
    return Text()


@task(type="b_die_later")
def die_later(run: BlockingRun, given: Text) -> Text:
    threading.Timer(0.05, os._exit, args=(1,)).start()
    return Text()


@task(type="b_wander")
def wander(run: BlockingRun, given: Text) -> Text:
    """Tells where it stands, and goes to a directory that is removed."""
    home = os.getcwd()  # noqa: PTH109 - raises where the directory is gone
    with tempfile.TemporaryDirectory() as directory:
        os.chdir(directory)
    return Text(text=home)


@task(type="b_memory")
def memory(run: BlockingRun, given: Text) -> Text:
    return Text(text=str(len(bytearray(4 << 30))))


@task(type="b_stuck")
def stuck(run: BlockingRun, given: Text) -> Text:
    run.emit(str(os.getpid()))
    match given.text:
        case "sleep":
            time.sleep(60)
        case "busy":
            while True:
                pass
        case "gil":
            # One call into C that never lets another Python thread run.
            ctypes.PyDLL(None).sleep(60)
        case "sigterm":
            import signal  # noqa: PLC0415 - only this stuck handler shields itself

            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            run.emit("shielded")
            time.sleep(60)
        case "program":
            program = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
            run.emit(str(program.pid))
            program.wait()
        case "call":
            run.ai.generate([ChatMessage("user", "wait")])
    return Text()


@task(type="b_look")
def look(run: BlockingRun, given: Text) -> Text:
    run.emit("looking")
    deadline = time.monotonic() + 20
    while not run.cancelled and time.monotonic() < deadline:
        time.sleep(0.01)
    return Text(text=f"cancelled={run.cancelled}")


@task(type="b_left_thread")
def left_thread(run: BlockingRun, given: Text) -> Text:
    """Leaves a thread that goes on talking after the handler has returned."""

    def talk_on() -> None:
        while True:
            run.emit("ghost")
            time.sleep(0.001)

    threading.Thread(target=talk_on, daemon=True).start()
    return Text()


@task(type="b_nap")
def nap(run: BlockingRun, given: Text) -> Text:
    run.emit(given.text)
    time.sleep(0.02)
    return Text(text=given.text)


@task(type="t_talk", pool="thread")
def thread_talk(run: BlockingRun, given: Text) -> Text:
    return talk.handler(run, given)  # type: ignore[no-any-return]


@task(type="t_world", pool="thread")
def thread_world(run: BlockingRun, given: Text) -> Loose:
    stored = run.files.get(UUID(int=1))
    answer = run.ai.generate([ChatMessage("user", "hi")])
    return Loose(value=[stored.path.read_text(), answer.text, run.ai.has_vision, threading.current_thread().name])


@task(type="t_raise", pool="thread")
def thread_raise(run: BlockingRun, given: Text) -> Text:
    return raise_it.handler(run, given)  # type: ignore[no-any-return]


@task(type="t_odd_output", pool="thread")
def thread_odd_output(run: BlockingRun, given: Text) -> Loose:
    return odd_output.handler(run, given)  # type: ignore[no-any-return]


@task(type="t_catch", pool="thread")
def thread_catch(run: BlockingRun, given: Text) -> Loose:
    return catch.handler(run, given)  # type: ignore[no-any-return]


THREAD_GATE = threading.Event()
"""What ``t_stuck`` waits for: the test opens it, in this same process."""


@task(type="t_stuck", pool="thread")
def thread_stuck(run: BlockingRun, given: Text) -> Text:
    run.emit("stuck")
    THREAD_GATE.wait(20)
    if given.text == "talks":
        run.progress(99)
    return Text(text=f"cancelled={run.cancelled}")


@task(type="t_waits", pool="thread")
def thread_waits(run: BlockingRun, given: Text) -> Text:
    run.ai.generate([ChatMessage("user", "wait")])
    return Text()
