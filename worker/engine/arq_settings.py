"""A user's arq settings class, which TASKRUNNER_ARQ_SETTINGS names: what is taken of it, set for it, and refused."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from arq.connections import RedisSettings
from arq.constants import default_queue_name, health_check_key_suffix

from shared.broker.keys import HEALTH_KEY, QUEUE_PREFIX
from shared.domain.errors import ConfigurationError
from shared.settings import Settings
from worker.engine.jobs import JobWorker, pack, pack_json, unpack, unpack_json

VARIABLE = "TASKRUNNER_ARQ_SETTINGS"
TAKEN = frozenset(inspect.signature(JobWorker).parameters)
"""arq's options, and ours; what else a class holds is its own business, as in arq."""
CONNECT_SECONDS = 5
SERIALISERS = ((pack, unpack), (pack_json, unpack_json))
KEYS_OF_TASKS = re.compile(rf"{re.escape(QUEUE_PREFIX)}(?:wake:.*|.*:\d)")
"""Sets of hints and their wake lists: their entries are no jobs of the user's."""


def job_worker(settings: Settings, *, burst: bool) -> JobWorker:
    """The worker for the functions of the class that the setting names.

    Raises: ConfigurationError, one line saying what is wrong with the setting or the class.
    """
    options = _options(settings)
    try:
        return JobWorker(**options, burst=burst)
    except Exception as error:
        # A class of the user's may hold anything; whatever arq says of it, the process cannot go on.
        raise _wrong(f"{settings.arq_settings}: {type(error).__name__}: {error}") from error


def _options(settings: Settings) -> dict[str, Any]:
    given = {name: value for name, value in _named(settings.arq_settings or "").items() if name in TAKEN}
    if given.pop("redis_pool", None) is not None:
        raise _wrong("name redis_settings instead of redis_pool: a pool belongs to one event loop")
    queues = given.get("queues") or (given.get("queue_name") or default_queue_name,)
    if taken := [queue for queue in queues if KEYS_OF_TASKS.fullmatch(queue)]:
        raise _wrong(f"the queue {taken[0]!r} holds the service's own hints")
    given.pop("burst", None)
    return given | {
        "queues": tuple(queues),
        "redis_settings": given.get("redis_settings") or _redis(settings),
        "health_check_key": _health_key(given.get("health_check_key") or queues[0] + health_check_key_suffix),
        "handle_signals": False,
        "log_results": False,
        **_serialisers(given),
    }


def _redis(settings: Settings) -> RedisSettings:
    """Whoever hosts the worker tries again by itself, and later each time."""
    where = RedisSettings.from_dsn(settings.redis_url.get_secret_value())
    return replace(where, conn_timeout=CONNECT_SECONDS, conn_retries=0)


def _serialisers(given: Mapping[str, Any]) -> dict[str, Any]:
    """MessagePack, if the class names none. With arq's default, pickle, whoever writes to Redis could run code here."""
    pair = (given.get("job_serializer") or pack, given.get("job_deserializer") or unpack)
    if pair not in SERIALISERS:
        raise _wrong(
            "job_serializer and job_deserializer must be pack and unpack, or pack_json and unpack_json, "
            "of worker.engine.jobs"
        )
    return {"job_serializer": pair[0], "job_deserializer": pair[1]}


def _health_key(wanted: str) -> str:
    """arq's default for its default queue is the key that says that this process lives: that one is written already."""
    return f"{wanted}:jobs" if wanted == HEALTH_KEY else wanted


def _named(path: str) -> Mapping[str, Any]:
    """What the class, or the dictionary, at ``package.module.name`` holds itself, as arq's command line reads it."""
    module, _, name = path.strip().rpartition(".")
    if not module:
        raise _wrong(f"{path!r} is not of the form package.module.WorkerSettings")
    try:
        found = getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:
        # A user's module may raise anything at import.
        raise _wrong(f"{path!r} cannot be imported: {type(error).__name__}: {error}") from error
    if isinstance(found, Mapping):
        return found
    if not isinstance(found, type):
        raise _wrong(f"{path!r} is neither a class nor a dictionary")
    return vars(found)


def _wrong(what: str) -> ConfigurationError:
    return ConfigurationError(f"{VARIABLE}: {' '.join(what.split())}")
