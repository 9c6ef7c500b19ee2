"""A user's own task module, outside ``shared/tasks``: what TASKRUNNER_TASK_MODULES may name."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time
import uuid
from datetime import timedelta

from shared.tasks import BlockingRun, ChatMessage, Fatal, Retry, Run, TaskModel, task
from tests.support.ledger import write


class Nothing(TaskModel):
    pass


class Text(TaskModel):
    text: str


class Number(TaskModel):
    value: float


@task(type="shout", queue="demo_tasks", timeout=10)
async def shout(run: Run, given: Text) -> Text:
    """Say it in capitals."""
    return Text(text=given.text.upper())


@task(type="sleep", queue="demo_tasks", timeout=60)
async def sleep(run: Run, given: Number) -> Number:
    """Wait, with progress; a cancel ends it at the next await."""
    started = time.monotonic()
    while (done := time.monotonic() - started) < given.value:
        run.progress(100 * done / given.value, "sleeping")
        await asyncio.sleep(0.02)
    return given


@task(type="sleep_once", queue="demo_tasks", timeout=60, unique=("value",))
async def sleep_once(run: Run, given: Number) -> Number:
    """The same; of those that wait or run with one value, there is one."""
    await sleep(run, given)
    return given


@task(type="blocking_sleep", queue="demo_tasks", timeout=60)
def blocking_sleep(run: BlockingRun, given: Number) -> Number:
    """The same, in a child process and in one C call: only its end ends it."""
    run.progress(1, "blocked")
    time.sleep(given.value)
    return given


@task(type="retry_once", queue="demo_tasks")
async def retry_once(run: Run, given: Nothing) -> Number:
    """Ask for a retry by name on the first attempt."""
    if run.attempt == 1:
        raise Retry("once more", delay=timedelta(milliseconds=50))
    return Number(value=run.attempt)


@task(type="retry_in", queue="demo_tasks")
async def retry_in(run: Run, given: Number) -> Number:
    """Ask for a retry in so many seconds on the first attempt."""
    if run.attempt == 1:
        raise Retry("later", delay=timedelta(seconds=given.value))
    return given


@task(type="fatal", queue="demo_tasks")
async def fatal(run: Run, given: Nothing) -> Nothing:
    """Fail for good."""
    raise Fatal("never again")


@task(type="not_a_number", queue="demo_tasks")
async def not_a_number(run: Run, given: Nothing) -> Number:
    """Return what JSON cannot say."""
    return Number(value=float("nan"))


@task(type="nul", queue="demo_tasks")
async def nul(run: Run, given: Nothing) -> Text:
    """Return what PostgreSQL cannot store."""
    return Text(text="a\x00b")


@task(type="too_large", queue="demo_tasks")
async def too_large(run: Run, given: Nothing) -> Text:
    """Return more than a row should hold."""
    return Text(text="x" * 1_100_000)


@task(type="streaming", queue="demo_tasks")
async def streaming(run: Run, given: Nothing) -> Nothing:
    """Emit output in pieces."""
    for piece in ("one ", "two ", "three"):
        run.emit(piece)
        await asyncio.sleep(0.05)
    return given


class Recital(TaskModel):
    words: int
    pause: float = 0.0
    fails: int = 0


@task(type="recite", queue="demo_tasks", timeout=60)
async def recite(run: Run, given: Recital) -> Text:
    """Emit so many numbered words, ``pause`` seconds between them; the first ``fails`` attempts fail half-way."""
    said = []
    for number in range(given.words):
        said.append(f"{number} ")
        run.emit(said[-1])
        run.progress(100 * number / given.words, "reciting")
        await asyncio.sleep(given.pause)
        if run.attempt <= given.fails and number >= given.words // 2:
            raise ConnectionError("lost the thread")
    return Text(text="".join(said))


@task(type="kill_worker", queue="demo_tasks")
async def kill_worker(run: Run, given: Nothing) -> Nothing:
    """Take down the process that runs it, without a word."""
    os._exit(9)


@task(type="eat_memory", queue="demo_tasks")
async def eat_memory(run: Run, given: Nothing) -> Nothing:
    """Take memory until the kernel ends the process that runs it."""
    eaten = []
    while True:
        eaten.append(b"x" * 8_388_608)


@task(type="kill_child", queue="demo_tasks")
def kill_child(run: BlockingRun, given: Nothing) -> Nothing:
    """The same, from a blocking handler."""
    os._exit(9)


class Effect(TaskModel):
    ledger: str
    """A file that keeps one line for each start and each end, whatever becomes of the stores."""
    seconds: float = 0.0
    key: str = ""


@task(type="effect", queue="demo_tasks", timeout=120)
async def effect(run: Run, given: Effect) -> Text:
    """Write to a ledger outside both stores when it starts and when it ends."""
    # Tells this run from every other one of the task, as no attempt number does: a lost run costs none.
    token = uuid.uuid4().hex
    write(given.ledger, "start", str(run.task_id), run.attempt, given.key, token)
    if given.seconds:
        await asyncio.sleep(given.seconds)
    write(given.ledger, "end", str(run.task_id), run.attempt, given.key, token)
    return Text(text=token)


@task(type="burn_cpu", queue="demo_tasks", timeout=120, pool="thread")
def burn_cpu(run: BlockingRun, given: Number) -> Number:
    """Hold the interpreter in a thread of the worker itself: the heartbeat must get through."""
    until = time.monotonic() + given.value
    while time.monotonic() < until:
        sum(n * n for n in range(1_000))
    return given


@task(type="hold_interpreter", queue="demo_tasks", timeout=120, pool="thread")
def hold_interpreter(run: BlockingRun, given: Number) -> Number:
    """Sleep in one C call that keeps the interpreter's lock, as badly written extensions do."""
    ctypes.PyDLL(None).sleep(int(given.value))
    return given


@task(type="ask_from_a_process", queue="demo_tasks")
def ask_from_a_process(run: BlockingRun, given: Text) -> Text:
    """Ask the model, from a child process."""
    return Text(text=run.ai.generate([ChatMessage("user", given.text)]).text)
