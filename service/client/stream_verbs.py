"""Streams of events, read as if they never broke: each is taken up again behind the last event that came whole."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Mapping, Sequence
from time import monotonic
from typing import Any
from urllib.parse import quote

from service.client.calls import Call, Emit, Feed, Open, Pause, Read, Reply, pause_after_problem, problem_of
from service.client.errors import ServiceUnavailable, Unreachable, WaitTimedOut
from service.client.events import Event
from service.client.patience import LATEST_LOOK, LONGEST_OUTAGE
from service.client.sse import Decoder, Message
from service.client.verbs import TASKS, get

SILENCE = 30.0
"""Seconds without a byte that mean a broken stream: the service sends a comment every 15."""
RECONNECT_PAUSE = 0.3
NO_MORE = 204
SHORTEST_LOOK = 0.5
Filter = str | Sequence[str] | None


def events(task_id: str, *, starting_after: str | None = None, timeout: float | None = None) -> Feed[Event]:
    """The task's events from its beginning, or behind the id ``starting_after``, until ``end``.

    Streamed output comes as it is made: ``event.delta``. A stream that breaks is taken up where it broke.
    Raises: NotFound; WaitTimedOut, where the task has not ended ``timeout`` seconds on.
    """
    path = f"{TASKS}/{quote(task_id, safe='')}/events"
    ends_at = math.inf if timeout is None else monotonic() + timeout
    has_ended = yield from _followed(path, {}, starting_after, ends_at)
    if not has_ended and timeout is not None:
        raise WaitTimedOut((yield from get(task_id)), timeout)


def all_events(
    *, type: Filter = None, queue: Filter = None, status: Filter = None, starting_after: str | None = None
) -> Feed[Event]:
    """What happens to all tasks from now on, for as long as the caller reads on; several values mean: any of them.

    A ``gap`` says that something was missed, perhaps.
    """
    given = {"type": type, "queue": queue, "status": status}
    params = {name: value for name, value in given.items() if value is not None}
    yield from _followed("/api/v1/events", params, starting_after, math.inf)


def _followed(
    path: str, params: Mapping[str, Any], after: str | None, ends_at: float
) -> Generator[Open | Read | Pause | Emit[Event], Any, bool]:
    """Emit events; whether they came to their end. Raises: Unreachable, ProblemError."""
    gives_up_at, refusals = monotonic(), 0
    while (left := ends_at - monotonic()) > 0:
        silence = min(SILENCE, max(SHORTEST_LOOK, left / 4))
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": after} if after else {})}
        try:
            reply: Reply = yield Open(Call("GET", path, _raw, params, headers=headers, silence=silence))
            if reply.status == NO_MORE:
                return True
            if reply.status != 200:
                yield _patience(reply, refusals, was_there=monotonic() < gives_up_at)
                refusals += 1
                continue
            decoder, refusals = Decoder(), 0
            while piece := (yield Read()):
                gives_up_at = monotonic() + LONGEST_OUTAGE
                for message in decoder.feed(piece):
                    after = message.id or after
                    yield Emit(_event(message))
                    if message.event == "end":
                        return True
                if monotonic() >= ends_at:
                    return False
        except Unreachable:
            if monotonic() >= gives_up_at:
                raise
        yield Pause(RECONNECT_PAUSE)
    return False


def _patience(reply: Reply, refusals: int, *, was_there: bool) -> Pause:
    """How long to wait after a refusal that may pass. Raises: ProblemError, where it stands."""
    problem = problem_of(reply)
    if was_there and isinstance(problem, ServiceUnavailable):
        return Pause(LATEST_LOOK)  # it restarts, perhaps behind a proxy
    pause = pause_after_problem(problem, refusals, may_be_repeated=True, jitter=0.5)
    if pause is None:
        raise problem
    return Pause(pause)


def _event(message: Message) -> Event:
    return Event(id=message.id, event=message.event, data=json.loads(message.data))


def _raw(reply: Reply) -> bytes:
    return reply.body
