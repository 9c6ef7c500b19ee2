"""Requests and answers as plain values, and the one loop that makes a request bear bad luck. No I/O.

A verb is a generator, a *flow*: it yields the steps it wants done (a ``Call``, a ``Pause``, in a feed
also an ``Emit``, and those of a stream: ``Open``, ``Read``), is handed each ``Reply``, and returns the
answer. Whoever drives it decides whether the steps block a thread or are awaited, so every verb is
written once.
"""

from __future__ import annotations

import inspect
import json
import random
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeAlias, TypeVar

from service.client.errors import BY_STATUS, FieldError, ProblemError, UnexpectedAnswer, Unreachable

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
M = TypeVar("M", bound=Callable[..., Any])

MAX_RETRIES = 3
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 30.0
"""Seconds. A service that asks for more patience gets its problem raised instead."""
LOST_BEHIND_A_PROXY = frozenset({502, 504})
"""Nobody answered the proxy: the call may have arrived, as if we had heard nothing."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file part, read as it is sent; ``body`` is rewound when the call is repeated."""

    name: str
    body: BinaryIO


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer off the wire. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One request, and how to read its answer.

    ``answers_by`` holds the statuses that are answers, not refusals. ``patience`` is seconds the
    service may take on purpose (a long poll), on top of the client's time-out; ``silence`` is seconds without
    a byte, in the place of that time-out. ``save_to`` streams the body of a good answer into that file.
    """

    method: str
    path: str
    parse: Callable[[Reply], T_co]
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    upload: Upload | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    answers_by: frozenset[int] = frozenset(range(200, 300))
    patience: float = 0.0
    silence: float | None = None
    save_to: Path | None = None

    @property
    def may_be_repeated(self) -> bool:
        """Whether a second delivery does no harm."""
        return self.method in {"GET", "DELETE"} or "Idempotency-Key" in self.headers


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit(Generic[T_co]):
    """Hand one item of a feed to the caller."""

    item: T_co


@dataclass(frozen=True, slots=True)
class Open:
    """Make the call, and leave the body of a good answer to be read. One stream is open at a time."""

    call: Call[Any]


@dataclass(frozen=True, slots=True)
class Read:
    """Give the next piece of the open stream; an empty one at its end."""


Flow: TypeAlias = Generator[Call[Any] | Pause, Any, T]
Feed: TypeAlias = Generator[Call[Any] | Pause | Emit[T] | Open | Read, Any, None]


def exchange(call: Call[T]) -> Flow[T]:
    """Make the call, and again while that is safe and may help.

    Raises:
        Unreachable, UnexpectedAnswer, or the ProblemError of the answer's status.
    """
    for retry in range(MAX_RETRIES + 1):
        try:
            reply: Reply = yield call
        except Unreachable as error:
            pause = pause_after_silence(call, error, retry, jitter=_jitter())
            if pause is None:
                raise
        else:
            if reply.status in call.answers_by:
                return _read(call, reply)
            problem = problem_of(reply)
            pause = pause_after_problem(problem, retry, may_be_repeated=call.may_be_repeated, jitter=_jitter())
            if pause is None:
                raise problem
        yield Pause(pause)
    raise AssertionError("the last retry raises")


def pause_after_silence(call: Call[Any], error: Unreachable, retry: int, *, jitter: float) -> float | None:
    """Seconds before the next try, or None where another could run the call twice or enough were made."""
    if retry >= MAX_RETRIES or (error.may_have_arrived and not call.may_be_repeated):
        return None
    return FIRST_PAUSE * 2.0**retry * (1 + jitter) / 2


def pause_after_problem(problem: ProblemError, retry: int, *, may_be_repeated: bool, jitter: float) -> float | None:
    """Seconds before the next try of a refused call, or None where the refusal stands.

    409 counts only for an Idempotency-Key whose first request is still under way: our own, cut off.
    """
    is_lost = problem.status in LOST_BEHIND_A_PROXY and may_be_repeated
    is_passing = is_lost or problem.status in {429, 503} or problem.code == "idempotency_in_flight"
    asked = FIRST_PAUSE * 2.0**retry if is_lost and problem.retry_after is None else problem.retry_after
    if retry >= MAX_RETRIES or not is_passing or asked is None or asked > LONGEST_PAUSE:
        return None
    # Everyone was told the same second: spread out after it, never before.
    return asked + FIRST_PAUSE * 2.0**retry * jitter


def problem_of(reply: Reply) -> ProblemError:
    """The refusal as an error; tolerates bodies that are no problem document (a proxy's page)."""
    try:
        document = json.loads(reply.body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        document = {}
    raise_as = BY_STATUS.get(reply.status, ProblemError)
    return raise_as(
        status=reply.status,
        code=str(document.get("code") or f"http_{reply.status}"),
        detail=str(document.get("detail") or document.get("title") or f"the service answered {reply.status}"),
        title=str(document.get("title") or ""),
        errors=tuple(
            FieldError(str(entry.get("pointer", "")), str(entry.get("detail", "")))
            for entry in document.get("errors") or ()
            if isinstance(entry, dict)
        ),
        request_id=document.get("request_id") or reply.headers.get("x-request-id"),
        retry_after=_seconds(reply.headers.get("retry-after")),
        document=document,
    )


def resume(flow: Generator[Any, Any, Any], outcome: Reply | Unreachable | bytes | None) -> Any:
    """Tell the flow how its step went; its next step. Raises: StopIteration, with the answer, at its end."""
    return flow.throw(outcome) if isinstance(outcome, Unreachable) else flow.send(outcome)


def named_after(verb: Callable[..., Any], method: M) -> M:
    """Give ``method`` the name, text and signature of the verb it drives, for help() and editors."""
    signature = inspect.signature(verb)
    self = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    method.__name__, method.__doc__ = verb.__name__, verb.__doc__
    method.__signature__ = signature.replace(parameters=[self, *signature.parameters.values()])  # type: ignore[attr-defined]
    return method


def new_key() -> str:
    """A fresh Idempotency-Key."""
    return uuid.uuid4().hex


def _jitter() -> float:
    return random.random()  # noqa: S311 # nosec B311 # spreads retries, keeps no secret


def _read(call: Call[T], reply: Reply) -> T:
    try:
        return call.parse(reply)
    except ValueError as error:
        raise UnexpectedAnswer(
            f"{call.method} {call.path} gave an answer this client cannot read: is this address a task runner?"
        ) from error


def _seconds(header: str | None) -> float | None:
    """Retry-After as seconds; its date form is not one this service sends."""
    try:
        return None if header is None else max(0.0, float(header))
    except ValueError:
        return None
