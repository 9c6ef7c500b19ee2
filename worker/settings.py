"""``WorkerSettings`` as arq's command line wants it: a class whose ``__dict__`` holds keyword arguments."""

from __future__ import annotations

import sys

import arq.worker
from arq.connections import RedisSettings

from shared.broker.keys import HEALTH_KEY
from shared.domain.errors import ConfigurationError
from shared.settings import load_settings
from worker.arq_worker import TaskWorker


def worker_settings() -> type:
    """Settings from the environment. A wrong one ends the process with one line and status 2."""
    try:
        settings = load_settings()
        redis_settings = RedisSettings.from_dsn(settings.redis_url.get_secret_value())
    except ConfigurationError as error:
        sys.stderr.write(f"taskrunner worker: {error}\n")
        raise SystemExit(2) from None
    # arq's command line builds ``arq.worker.Worker``, by that name.
    arq.worker.Worker = TaskWorker  # type: ignore[assignment,misc]
    return type(
        "WorkerSettings",
        (),
        {
            "__doc__": "Read by arq's command line.",
            "settings": settings,
            "redis_settings": redis_settings,
            "health_check_key": HEALTH_KEY,
        },
    )
