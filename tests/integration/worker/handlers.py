"""Handlers that end in every way a handler can. ``ways`` names what each one does."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pydantic import computed_field, field_validator

from shared.domain.definition import TaskModel, task
from shared.domain.errors import Fatal, ProviderUnavailable, Retry
from shared.domain.retry import ByError, Exponential, Never
from shared.domain.run import BlockingRun, Run
from shared.registry import Registry
from shared.telemetry.current import outgoing


class Given(TaskModel):
    way: str = ""


class Careless(Given):
    """Its validator raises what pydantic lets out: an error that is no ValueError."""

    @field_validator("way")
    @classmethod
    def known(cls, way: str) -> str:
        return {"": way}[way]


class Output(TaskModel):
    value: Any = None


class Other(TaskModel):
    value: int = 0


class Unreadable(Output):
    @computed_field  # type: ignore[prop-decorator]
    @property
    def broken(self) -> int:
        raise LookupError("a property of the result fails")


class Unlike(BaseException):
    """No Exception at all."""


def circle() -> Output:
    ring: list[object] = []
    ring.append(ring)
    return Output(value=ring)


RAISED: dict[str, Callable[[], BaseException]] = {
    "connection": lambda: ConnectionError("gone"),
    "value": lambda: ValueError("bad"),
    "other": lambda: RuntimeError("broke"),
    "fatal": lambda: Fatal("never"),
    "retry": lambda: Retry("later", delay=3600),
    "provider": lambda: ProviderUnavailable("busy", retry_after=timedelta(hours=2)),
    "base": lambda: Unlike("odd"),
    "exit": lambda: SystemExit(3),
    "cancelled": asyncio.CancelledError,
}

RETURNED: dict[str, Callable[[], object]] = {
    "good": lambda: Output(value=[1, "two", None]),
    "seven": lambda: Output(value=7),
    "other model": lambda: Other(value=1),
    "dict": lambda: {"value": 1},
    "none": lambda: None,
    "nan": lambda: Output(value=math.nan),
    "infinity": lambda: Output(value=[-math.inf]),
    "nul": lambda: Output(value="a\x00b"),
    "surrogate": lambda: Output(value="\ud800"),
    "factorial": lambda: Output(value=math.factorial(200)),
    "object": lambda: Output(value=object()),
    "circle": circle,
    "huge": lambda: Output(value="x" * 1_100_000),
    "unreadable": Unreadable,
    "trace": lambda: Output(value=outgoing()),
}


def error(way: str) -> BaseException:
    return RAISED[way]()


class Stage:
    """What a test and the handlers it runs tell each other."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.cancels = 0


stage = Stage()


@task(type="raises", queue="demo_tasks")
async def raises(run: Run, given: Given) -> Output:
    raise error(given.way)


@task(type="returns", queue="demo_tasks")
async def returns(run: Run, given: Given) -> Output:
    return RETURNED[given.way]()  # type: ignore[return-value]


@task(type="waits", queue="demo_tasks")
async def waits(run: Run, given: Given) -> Output:
    """Wait; on a cancel do as ``way`` says."""
    run.progress(40, "waiting")
    stage.entered.set()
    try:
        await stage.release.wait()
    except asyncio.CancelledError:
        stage.cancels += 1
        if given.way == "returns":
            return Output(value=run.cancelled)
        if given.way == "raises":
            raise RuntimeError("while cleaning up") from None
        if given.way == "cleans up":
            await asyncio.sleep(0.2)
        raise
    return Output(value="released")


@task(type="stubborn", queue="demo_tasks")
async def stubborn(run: Run, given: Given) -> Output:
    """Ignore every cancel until the test lets go."""
    mine = stage
    mine.entered.set()
    while not mine.release.is_set():
        try:
            await mine.release.wait()
        except asyncio.CancelledError:
            mine.cancels += 1
    return Output(value="at last")


class Broken:
    """A user's backoff with a fault."""

    def delay(self, failures: int, jitter: float, /) -> timedelta | None:
        raise ZeroDivisionError("in the policy")


@task(type="badly_retried", queue="demo_tasks", retry=ByError(rules=(), otherwise=Broken()))
async def badly_retried(run: Run, given: Given) -> Output:
    raise RuntimeError("the handler's own")


@task(type="never_retried", queue="demo_tasks", retry=Never())
async def never_retried(run: Run, given: Given) -> Output:
    raise error(given.way)


@task(type="at_once", queue="demo_tasks", retry=Exponential(base=0.0))
async def at_once(run: Run, given: Given) -> Output:
    if run.attempt == 1:
        raise RuntimeError("the first attempt")
    return Output(value=run.attempt)


@task(type="in_a_thread", queue="demo_tasks", pool="thread")
def in_a_thread(run: BlockingRun, given: Given) -> Output:
    run.progress(50, "in a thread")
    run.emit("piece")
    if given.way:
        raise error(given.way)
    return Output(value="from a thread")


@task(type="careless", queue="demo_tasks")
async def careless(run: Run, given: Careless) -> Output:
    return Output(value=given.way)


ALL = Registry(
    [raises, returns, waits, stubborn, badly_retried, never_retried, at_once, in_a_thread, careless],
)
