"""How many tasks ended lately, by tenant and queue: counted in Redis, in buckets of its own time that expire.

A number for people. What is lost with Redis is not counted again, and nothing else depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shared.broker.clock import redis_seconds
from shared.broker.connection import Broker
from shared.broker.keys import THROUGHPUT_TTL_SECONDS, throughput_key

BUCKET_SECONDS = 10
BUCKETS = 6
"""Whole buckets that are looked back on, beside the one that fills."""
MINUTE, MINUTES = 60, 60


async def count_ended(broker: Broker, ended: Mapping[tuple[int, str], int]) -> bool:
    """Count tasks that ended, by (tenant, queue). False: Redis is away, and they are forgotten."""
    if not ended:
        return True
    now = await redis_seconds(broker)
    if now is None:
        return False
    pipe = broker.results.pipeline(transaction=False)
    for (tenant_id, queue), count in ended.items():
        key = throughput_key(tenant_id, queue, int(now // BUCKET_SECONDS))
        pipe.incrby(key, count)
        pipe.expire(key, THROUGHPUT_TTL_SECONDS)
    return await broker.guarded(pipe.execute()) is not None


async def throughput(broker: Broker, tenant_id: int, queues: Sequence[str]) -> dict[str, float] | None:
    """Tasks a second that ended in the last minute, by queue; None: Redis is away."""
    now = await redis_seconds(broker)
    if now is None or not queues:
        return None if now is None else {}
    current, filling = divmod(now, BUCKET_SECONDS)
    buckets = range(int(current) - BUCKETS, int(current) + 1)
    keys = [throughput_key(tenant_id, queue, bucket) for queue in queues for bucket in buckets]
    counts = await broker.guarded(broker.results.mget(keys))
    if counts is None:
        return None
    seconds = BUCKETS * BUCKET_SECONDS + filling
    sums = (counts[start : start + len(buckets)] for start in range(0, len(counts), len(buckets)))
    return {queue: round(sum(int(n or 0) for n in own) / seconds, 3) for queue, own in zip(queues, sums, strict=True)}


async def past_hour(broker: Broker, tenant_id: int, queues: Sequence[str]) -> list[tuple[int, int]] | None:
    """(seconds since 1970, how many ended) of each whole minute of the last hour, oldest first; None: Redis is away."""
    now = await redis_seconds(broker)
    if now is None:
        return None
    until = int(now // MINUTE) * MINUTE
    since = until - MINUTES * MINUTE
    pipe = broker.results.pipeline(transaction=False)
    for queue in queues:
        buckets = range(since // BUCKET_SECONDS, until // BUCKET_SECONDS)
        pipe.mget([throughput_key(tenant_id, queue, bucket) for bucket in buckets])
    counts = await broker.guarded(pipe.execute())
    if counts is None:
        return None
    ended = dict.fromkeys(range(since, until, MINUTE), 0)
    for own in counts:
        for place, count in enumerate(own):
            ended[since + place * BUCKET_SECONDS // MINUTE * MINUTE] += int(count or 0)
    return list(ended.items())
