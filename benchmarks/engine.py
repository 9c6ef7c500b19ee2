"""``python -m benchmarks.engine``: our engine for plain arq jobs beside stock arq, on one Valkey, in turns.

Each round drains no-op functions with stock arq and then with ours, each in a process of its own under uvloop, from
the same keys. The rate counts from the first job entered to the last. A round trip is one read of Valkey's from a
socket: the command, pipeline or script call that a connection sends at once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import arq.worker
import redis
import uvloop
from arq.connections import RedisSettings
from arq.constants import default_queue_name, job_key_prefix
from arq.jobs import serialize_job

from benchmarks.ground import ROOT
from shared.embedded.server import Server
from shared.embedded.valkey import Valkey
from shared.heap import leave_to_the_process
from worker.engine.jobs import JobWorker

WORKERS = {"arq": arq.worker.Worker, "ours": JobWorker}
SLOTS = (100, 10)
TARGETS = {100: (12.0, 0.03), 10: (8.0, 0.25)}
"""By slots: times arq's rate, and round trips a job."""
BATCH = 1_000
CHILD_SECONDS = 300


@dataclass(frozen=True)
class Drained:
    """What one worker did: jobs a second, and of Redis and the CPU per job."""

    rate: float
    round_trips: float
    cpu_us: float


async def drain(which: str, url: str, jobs: int, slots: int) -> Drained:
    """Run what waits, in this process, and count."""
    entered: list[float] = []

    async def noop(_ctx: dict[str, Any]) -> None:
        entered.append(time.perf_counter())

    worker = WORKERS[which](
        [arq.worker.func(noop, name="noop")],  # type: ignore[arg-type] # a protocol of **kwargs
        redis_settings=RedisSettings.from_dsn(url),
        burst=True,
        max_jobs=slots,
        handle_signals=False,
    )
    if which == "ours":
        leave_to_the_process()  # as JobWorker.run does in a process of its own
    trips_before, cpu_before = reads(url), time.process_time()
    await worker.main()
    cpu, trips = time.process_time() - cpu_before, reads(url) - trips_before  # three or four of them the look's own
    await worker.close()
    if len(entered) != jobs or worker.jobs_complete != jobs:
        raise RuntimeError(f"{which} ran {len(entered)} of {jobs} jobs")
    return Drained((jobs - 1) / (entered[-1] - entered[0]), trips / jobs, cpu / jobs * 1e6)


def reads(url: str) -> int:
    """How often Valkey has read from a socket."""
    with redis.Redis.from_url(url, socket_timeout=30) as client:
        return int(client.info("stats")["total_reads_processed"])


def fill(url: str, jobs: int) -> None:
    """Empty the database, and put ``jobs`` jobs there as arq's own client does."""
    with redis.Redis.from_url(url, socket_timeout=30) as client:
        client.flushdb()
        for begin in range(0, jobs, BATCH):
            pipe = client.pipeline(transaction=False)
            for _ in range(min(BATCH, jobs - begin)):
                job_id, now = uuid4().hex, int(time.time() * 1_000)
                pipe.psetex(job_key_prefix + job_id, 86_400_000, serialize_job("noop", (), {}, None, now))
                pipe.zadd(default_queue_name, {job_id: now})
            pipe.execute()


def measured(which: str, url: str, jobs: int, slots: int) -> Drained:
    """Drain in a child process."""
    fill(url, jobs)
    command = [sys.executable, "-m", "benchmarks.engine", "--child", which, "--jobs", str(jobs), "--slots", str(slots)]
    env = {**os.environ, "REDIS_URL": url, "PYTHONPATH": str(ROOT)}
    # Our own module, with values of ours; no shell.
    done = subprocess.run(  # noqa: S603
        command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=CHILD_SECONDS, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{which} failed:\n{done.stderr[-2_000:]}")
    return Drained(**json.loads(done.stdout))


def rounds(url: str, given: argparse.Namespace) -> Iterator[tuple[int, Drained, Drained]]:
    for number in range(given.rounds):
        for slots in SLOTS:
            # A tenth of the jobs for the one that takes ten times as long.
            theirs = measured("arq", url, max(100, given.jobs // 10), slots)
            ours = measured("ours", url, given.jobs, slots)
            sys.stderr.write(f"round {number + 1}, {slots} slots: arq {theirs.rate:,.0f}, ours {ours.rate:,.0f}/s\n")
            yield slots, theirs, ours


def report(pairs: list[tuple[int, Drained, Drained]]) -> str:
    """A Markdown table of medians; the ratio is the median of the rounds' own."""
    lines = [
        "| slots | arq, jobs/s | ours, jobs/s | ratio (reach) | arq, trips/job | ours (reach) | arq, CPU µs | ours |",
        "|------:|------------:|-------------:|--------------:|---------------:|-------------:|------------:|-----:|",
    ]
    for slots in SLOTS:
        both = [(theirs, ours) for count, theirs, ours in pairs if count == slots]
        theirs, ours = (
            Drained(*(statistics.median(values) for values in _columns(side))) for side in zip(*both, strict=True)
        )
        ratio, (reach, trips) = statistics.median(b.rate / a.rate for a, b in both), TARGETS[slots]
        lines.append(
            f"| {slots} | {theirs.rate:,.0f} | {ours.rate:,.0f} | {ratio:.1f} (≥ {reach:g}) | {theirs.round_trips:.2f} "
            f"| {ours.round_trips:.4f} (≤ {trips:g}) | {theirs.cpu_us:,.0f} | {ours.cpu_us:,.0f} |"
        )
    return "\n".join(lines)


def _columns(side: tuple[Drained, ...]) -> Iterator[tuple[float, ...]]:
    return zip(*(asdict(one).values() for one in side), strict=True)


def serve(server: Server) -> subprocess.Popen[bytes]:
    server.prepare()
    command = server.command()
    process = subprocess.Popen(command.argv, env=command.env, stdout=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 - the embedded server
    try:
        asyncio.run(server.wait_ready(60))
    except BaseException:  # Ctrl-C too: nobody else would end it
        process.kill()
        raise
    return process


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=20_000, help="for ours; arq gets a tenth")
    parser.add_argument("--slots", type=int, default=SLOTS[0], help=argparse.SUPPRESS)
    parser.add_argument("--child", choices=WORKERS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        logging.disable(logging.WARNING)
        done = uvloop.run(drain(given.child, os.environ["REDIS_URL"], given.jobs, given.slots))
        sys.stdout.write(json.dumps(asdict(done)))
        return 0
    with tempfile.TemporaryDirectory(prefix="taskrunner-engine-") as name:
        valkey = Valkey(Path(name) / "valkey")
        process = serve(valkey)
        try:
            pairs = list(rounds(valkey.url, given))
        finally:
            process.terminate()
            process.wait(20)
    sys.stdout.write(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n\n{report(pairs)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
