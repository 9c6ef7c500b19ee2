"""A load client: N connections, each sending one request again as soon as it is answered. A process of its own.

httpx would measure itself: it tops out below what is measured here. This speaks just enough HTTP/1.1 for uvicorn
(keep-alive, Content-Length) and refuses to time anything but the expected status. Closed loop: a slow answer delays
its connection's next request, so the rate and the percentiles belong together.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from typing import cast

import uvloop

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
LEAST_ANSWERS = 3
"""Of each connection, however slow: large bodies take longer than a short measure lasts."""
END_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Load:
    """What to send, where and how long. Answers within ``warm_up_s`` are counted, but not timed."""

    port: int
    method: str
    path: str
    body: str
    expected_status: int
    connections: int
    seconds: float
    warm_up_s: float = 0.3

    @property
    def request(self) -> bytes:
        fields = f"host: 127.0.0.1:{self.port}\r\n"
        if self.body:
            fields += f"content-type: application/json\r\ncontent-length: {len(self.body.encode())}\r\n"
        return f"{self.method} {self.path} HTTP/1.1\r\n{fields}\r\n{self.body}".encode()


@dataclass(frozen=True)
class Measured:
    """``rate`` in requests a second; ``answers`` counts those of the warm-up too."""

    rate: float
    p50_ms: float
    p99_ms: float
    answers: int


class Connection(asyncio.Protocol):
    """One caller: sends, waits for the whole answer, sends again until ``ends_at``."""

    def __init__(self, load: Load, ends_at: float, took: list[tuple[float, float]]) -> None:
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = load.request
        self._expected = str(load.expected_status).encode()
        self._ends_at = ends_at
        self._took = took
        self._received = b""
        self._answers = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is none by class
        self._send()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, blank_line, body = self._received.partition(b"\r\n\r\n")
        if not blank_line:
            return
        if head[9:12] != self._expected:
            self._end(RuntimeError(f"answered {self._received[:500]!r}"))
        elif (length := LENGTH.search(head)) is None:
            self._end(RuntimeError(f"no Content-Length in {head!r}"))
        elif len(body) >= int(length[1]):
            self._answered()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(RuntimeError(f"the server closed the connection: {exc}"))

    def _send(self) -> None:
        self._received = b""
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)

    def _answered(self) -> None:
        now = time.perf_counter()
        self._took.append((now, now - self._sent_at))
        self._answers += 1
        if now < self._ends_at or self._answers < LEAST_ANSWERS:
            self._send()
        else:
            self._end(None)

    def _end(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error) if error else self.ended.set_result(None)
        self._transport.close()


async def run(load: Load) -> Measured:
    """Raises: RuntimeError for an unexpected answer, TimeoutError, OSError."""
    took: list[tuple[float, float]] = []
    counts_from = time.perf_counter() + load.warm_up_s
    ends_at = counts_from + load.seconds
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(load.warm_up_s + load.seconds + END_TIMEOUT_S):
        opening = (
            loop.create_connection(lambda: Connection(load, ends_at, took), "127.0.0.1", load.port)
            for _ in range(load.connections)
        )
        connections = [connection for _, connection in await asyncio.gather(*opening)]
        await asyncio.gather(*(connection.ended for connection in connections))
    counted = [(at, seconds) for at, seconds in took if at >= counts_from]
    if len(counted) < 2:
        raise RuntimeError(f"only {len(counted)} answers in {load.seconds:g} s")
    percentiles = statistics.quantiles([seconds for _, seconds in counted], n=100)
    rate = len(counted) / (counted[-1][0] - counts_from)
    return Measured(rate, percentiles[49] * 1e3, percentiles[98] * 1e3, len(took))


async def run_apart(load: Load) -> Measured:
    """``run``, in a process of its own. Raises: RuntimeError, with what that process said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.load"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, complaint = await process.communicate(json.dumps(asdict(load)).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise RuntimeError(f"{load.method} {load.path}: {complaint.decode()[-1_000:]}")
    return Measured(**json.loads(out))


if __name__ == "__main__":
    given = Load(**json.load(sys.stdin))
    json.dump(asdict(uvloop.run(run(given))), sys.stdout)
