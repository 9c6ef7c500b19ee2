"""A user's arq settings class: what is taken of it, set for it, and refused in one line."""

from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import Any

import pytest
from arq.connections import RedisSettings

from shared.broker.keys import HEALTH_KEY
from shared.domain.errors import ConfigurationError
from shared.settings import load_settings
from worker.engine.arq_settings import job_worker
from worker.engine.jobs import JobWorker, pack, pack_json, unpack, unpack_json

REDIS_URL = "redis://there:1234/5"


async def add(ctx: dict[str, Any], a: int) -> int:
    return a


def worker_of(monkeypatch: pytest.MonkeyPatch, found: object, name: str = "their_jobs.WorkerSettings") -> JobWorker:
    module = ModuleType("their_jobs")
    monkeypatch.setattr(module, "WorkerSettings", found, raising=False)
    monkeypatch.setitem(sys.modules, "their_jobs", module)
    return job_worker(load_settings(_env_file=None, redis_url=REDIS_URL, arq_settings=name), burst=False)


class Theirs:
    """What arq documents, and what it does not know."""

    functions = (add,)
    queue_name = "theirs"
    max_jobs = 7
    burst = True
    handle_signals = True
    something_else = 1


async def test_a_class_is_taken_as_arqs_command_line_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    worker = worker_of(monkeypatch, Theirs)
    assert (list(worker.functions), worker.queues, worker.max_jobs, worker.burst) == (["add"], ("theirs",), 7, False)
    assert (worker.job_serializer, worker.job_deserializer) == (pack, unpack)
    assert worker.health_check_key == "theirs:health-check"
    assert worker.redis_settings is not None
    assert (worker.redis_settings.host, worker.redis_settings.port, worker.redis_settings.database) == (
        "there",
        1234,
        5,
    )


async def test_a_dictionary_will_do_with_a_redis_of_its_own_and_json(monkeypatch: pytest.MonkeyPatch) -> None:
    where = RedisSettings(host="elsewhere")
    given = {"functions": [add], "redis_settings": where, "queues": ["a", "b"]}
    worker = worker_of(monkeypatch, {**given, "job_serializer": pack_json, "job_deserializer": unpack_json})
    assert (worker.redis_settings, worker.queues) == (where, ("a", "b"))
    assert (worker.job_serializer, worker.job_deserializer) == (pack_json, unpack_json)


async def test_the_key_that_says_that_this_process_lives_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker_of(monkeypatch, {"functions": [add]}).health_check_key not in {HEALTH_KEY, ""}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "at least one function"),
        ({"functions": ["no.such.function"]}, "ModuleNotFoundError"),
        ({"functions": [add], "redis_pool": object()}, "redis_settings instead of redis_pool"),
        ({"functions": [add], "job_serializer": json.dumps, "job_deserializer": json.loads}, "pack_json"),
        ({"functions": [add], "job_serializer": pack, "job_deserializer": unpack_json}, "pack_json"),
        ({"functions": [add], "queue_name": "arq:queue:urgent:0"}, "hints"),
        ({"functions": [add], "queues": ["mine", "arq:queue:wake:urgent"]}, "hints"),
        ({"functions": [add], "max_jobs": "many"}, "TypeError"),
        (7, "neither a class nor a dictionary"),
    ],
    ids=["empty", "unknown", "pool", "own-form", "mixed-forms", "hints", "wakes", "wrong", "number"],
)
async def test_what_cannot_be_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, given: Any, says: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^TASKRUNNER_ARQ_SETTINGS: [^\n]*$") as refused:
        worker_of(monkeypatch, given)
    assert says in str(refused.value)


@pytest.mark.parametrize("name", ["WorkerSettings", "no.such.module.WorkerSettings", "their_jobs.NoSuchClass"])
async def test_a_name_that_leads_nowhere_is_refused_in_one_line(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^TASKRUNNER_ARQ_SETTINGS: [^\n]*$"):
        worker_of(monkeypatch, Theirs, name)
