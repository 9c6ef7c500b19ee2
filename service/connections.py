"""One client's connection to uvicorn: how much of it is read before it has made a request, and how it is refused.

uvicorn reads a head of any size, takes the fields behind a chunked body for header fields, and answers what is no HTTP
in plain text. For how long a client may do nothing is for ``slow_clients`` to say. A request costs a few counts here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from uvicorn.protocols.http.flow_control import CLOSE_HEADER
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service import problems
from service.answer_writer import AnswerWriter
from service.problems import Problem
from shared.domain.ids import new_id

UNREAD_BYTES = 65_536
"""Of a head, of chunk lines or of fields behind a body. A head that came in one piece is for ``Limits`` to refuse."""
MOST_PIPELINED = 100
EVICTED_SHARE = 20
LOOK_SECONDS = 0.1


class Room:
    """For how many connections there is room, and which of them go first where there is none."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._full_until = 0.0

    def enter(self, newcomer: Connection, others: Iterable[Connection]) -> bool:
        """Make room for one more. False: every other one is at work."""
        self._taken += 1
        return self._taken <= self._most or self._evict(newcomer, others)

    def leave(self) -> None:
        self._taken -= 1

    def _evict(self, newcomer: Connection, others: Iterable[Connection]) -> bool:
        """End a share of those that ask for nothing: first who never did, and the oldest first."""
        if newcomer.loop.time() < self._full_until:
            return False  # looked at all of them a moment ago
        idle = sorted((one for one in others if one is not newcomer and one.is_idle), key=attrgetter("standing"))
        for one in idle[: max(1, self._most // EVICTED_SHARE)]:
            one.abort()
        if not idle:
            self._full_until = newcomer.loop.time() + LOOK_SECONDS
        return bool(idle)


class Connection(HttpToolsProtocol):
    """uvicorn's connection, bounded. What it counts is there for the watch to look at."""

    def __init__(self, *given: Any, room: Room, **named: Any) -> None:
        super().__init__(*given, **named)
        self.ws_protocol_class = None  # we have no websockets: such a request is one like any other
        self.silent_bytes = 0
        """Read since there last was something to hand on."""
        self.body_bytes = 0
        self.drained = object()
        """Another one each time the client has taken most of what was written."""
        self.running: Any = None
        self.wait: Any = None
        """The watch's own note."""
        self._room = room
        self._has_place = False
        self._made_at = 0.0

    @property
    def is_idle(self) -> bool:
        """Whether no request is being worked on: a part of one may have come."""
        cycle: Any = self.cycle
        return (cycle is None or cycle.response_complete) and not self.transport.is_closing()

    @property
    def is_unanswered(self) -> bool:
        """Whether an answer of ours would stand by itself: none to another request is under way, or due before it."""
        cycle: Any = self.cycle
        return self.is_idle or (cycle is not None and cycle is self.running and not cycle.response_started)

    @property
    def standing(self) -> tuple[bool, float]:
        """Larger for who has asked for something before, and for who came later."""
        cycle: Any = self.cycle
        return cycle is not None, self._made_at

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._made_at = self.loop.time()
        self._writer = AnswerWriter(transport)
        self._has_place = True
        if not self._room.enter(self, self.connections):  # type: ignore[arg-type] # they are all of this class
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._give_place()
        if self.running is not None and not self.running.response_complete:
            # uvicorn tells the newest request of a pipeline alone, and that one never began.
            self.running.disconnected = True
            self.running.message_event.set()

    def abort(self) -> None:
        """End it at once, whatever was not sent."""
        self._give_place()
        self.transport.abort()

    def refuse(self, code: str, detail: str) -> None:
        """Answer with a problem and close; amid another answer there is no place for one."""
        if self.transport.is_closing() or not self.is_unanswered:
            self.abort()
            return
        cycle: Any = self.cycle
        if cycle is not None:
            cycle.disconnected = True
            cycle.message_event.set()
        request_id = str(new_id())
        answer = problems.answer(Problem(code, detail), {"path": "", "state": {"request_id": request_id}})
        own = [(b"x-request-id", request_id.encode()), CLOSE_HEADER]
        fields = [*self.server_state.default_headers, *answer.raw_headers, *own]
        head = b"".join(b"%b: %b\r\n" % field for field in fields)
        self.transport.write(STATUS_LINE[answer.status_code] + head + b"\r\n" + bytes(answer.body))
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        self.refuse("bad_request", msg)

    def data_received(self, data: bytes) -> None:
        self.silent_bytes += len(data)
        super().data_received(data)
        if self.silent_bytes > UNREAD_BYTES and not self.transport.is_closing():
            self.refuse("headers_too_large", f"A request's head may have {UNREAD_BYTES} bytes.")

    def on_headers_complete(self) -> None:
        self.silent_bytes = 0
        if len(self.pipeline) >= MOST_PIPELINED:
            raise ValueError("too many requests in a pipeline")  # which the parser tells as a request that is none
        super().on_headers_complete()
        self.headers = []  # what comes behind the body is nobody's header

    def on_body(self, body: bytes) -> None:
        self.silent_bytes = 0
        self.body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.cycle.more_body = False  # uvicorn leaves it, where the answer came first
        super().on_message_complete()

    def resume_writing(self) -> None:
        self.drained = object()
        super().resume_writing()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self.running = cycle
        self._writer.answer(cycle)
        super()._start_asgi_task(cycle, app)

    def _give_place(self) -> None:
        if self._has_place:
            self._has_place = False
            self._room.leave()
