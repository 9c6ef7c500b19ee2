"""Plain arq jobs in arq's own keys, run by leases and batches. ``JobWorker`` stands in for ``arq.worker.Worker``."""

from worker.engine.jobs.line import OUTAGE
from worker.engine.jobs.pause import pause_queue, resume_queue
from worker.engine.jobs.payloads import pack, pack_json, unpack, unpack_json
from worker.engine.jobs.producer import WakingRedis
from worker.engine.jobs.worker import JobWorker

__all__ = [
    "OUTAGE",
    "JobWorker",
    "WakingRedis",
    "pack",
    "pack_json",
    "pause_queue",
    "resume_queue",
    "unpack",
    "unpack_json",
]
