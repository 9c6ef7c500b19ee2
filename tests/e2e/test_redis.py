"""What a service leaves in Redis: work in the one database, copies of results in the other, for a while, as JSON."""

from __future__ import annotations

import orjson
from redis.asyncio import Redis

from tests.e2e.conftest import Service
from tests.e2e.test_operating import until

TTL = 100
PICKLED = b"\x80"
"""How every pickle begins; a job in MessagePack is a map of its own fields, and begins otherwise."""


async def held(url: str) -> dict[str, int]:
    """Keys, and their seconds to live."""
    async with Redis.from_url(url) as redis:
        return {key.decode(): await redis.ttl(key) async for key in redis.scan_iter()}


async def texts(url: str) -> list[bytes]:
    """What stands in keys of the plain kind."""
    async with Redis.from_url(url) as redis:
        return [await redis.get(key) or b"" async for key in redis.scan_iter(_type="STRING")]


async def test_work_and_results_stand_apart_and_results_leave_in_time(own_service: Service) -> None:
    own_service.env |= {"TASKRUNNER_TASK_MODULES": "tests.support.own_tasks", "TASKRUNNER_RESULT_TTL": str(TTL)}
    work, results = own_service.env["REDIS_URL"], own_service.env["REDIS_RESULT_URL"]
    await own_service.start_api()
    async with own_service.client() as client:
        waiting = await client.submit("shout", {"text": "quiet"}, delay=3_600)
        spoken = await client.submit("recite", {"words": 3})

        async def is_hinted() -> bool:
            return f"arq:job:{waiting.id}" in await held(work)

        await until(is_hinted, "the hint of what waits")
        await own_service.start_worker(TASKRUNNER_RESULT_TTL=str(TTL))
        await client.wait(spoken.id, timeout=30, check=True)

        async def is_copied() -> bool:
            return f"result:{spoken.id}" in await held(results)

        await until(is_copied, "the copy of the result")
    async with Redis.from_url(results) as redis:
        copy = orjson.loads(await redis.get(f"result:{spoken.id}"))
    assert (copy["status"], copy["result"]) == ("COMPLETED", {"text": "0 1 2 "})
    found = await held(results)
    said = [name for name in found if name.startswith(f"output:{spoken.id}")]
    assert said, "what it streamed"
    assert all(0 < found[name] <= TTL for name in (f"result:{spoken.id}", *said))
    kept = await held(work)
    assert all(name.startswith("arq:") for name in kept), kept.keys()
    assert not any(name.startswith("arq:") for name in found), found.keys()
    assert len(plain := [*await texts(work), *await texts(results)]) >= 2
    assert not any(text.startswith(PICKLED) for text in plain)
