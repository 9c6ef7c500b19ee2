"""The API: ``uvicorn service.app:create_app --factory``."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from service import middleware, openapi, problems
from service.auth import Authenticator
from service.dashboard import files as dashboard
from service.dashboard import sign_in
from service.lifespan import stand
from service.rate_limits import RateLimits
from service.routes import (
    audit,
    bulk,
    docs,
    events,
    files,
    inspection,
    keys,
    metrics,
    operations,
    queues,
    schedules,
    system,
    task_lists,
    tasks,
    webhooks,
    workers,
    workflows,
)
from shared.domain.errors import ConfigurationError, TaskRunnerError
from shared.logs import configure_logs
from shared.metrics import LAG
from shared.queue.keys import bootstrap_key
from shared.registry import Registry, discover
from shared.settings import Settings, load_settings

USAGE = 2


def create_app(settings: Settings | None = None) -> FastAPI:
    """The application. Without ``settings``: those of the environment, and a process that ends if they are wrong."""
    if settings is not None:
        return build(settings, discover(settings.task_modules))
    try:
        settings = load_settings()
        registry = discover(settings.task_modules)
        configure_logs(settings)
        return build(settings, registry)
    except ConfigurationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(USAGE) from None


def build(settings: Settings, registry: Registry) -> FastAPI:
    """Routes, middleware and error handlers around one ``House``. Raises: ConfigurationError."""

    bootstrap_key(settings)  # a wrong one must stop the process here, not its first request
    authenticator = Authenticator()
    rates = RateLimits(settings.rate_limit) if settings.rate_limit else None
    beside = [authenticator.note_for_ever, LAG.watch, *([rates.exchange_for_ever] if rates else ())]

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with stand(app, settings, registry, *beside):
            yield

    app = FastAPI(
        title="Async AI Task Runner",
        version=version(system.DISTRIBUTION),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Its own traces would name queries and quote what was refused: ours do not.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    # Not include_router: it matches each path twice, and these routers know their full paths. Hot ones first, but for
    # the bulk verbs: to the router, "bulk" in their paths could be a task's id.
    first = (bulk, tasks, task_lists, events, operations, workflows)
    rest = (files, webhooks, schedules, queues, workers, keys, audit, inspection, system, metrics, docs)
    for part in (*first, *rest):
        app.router.routes.extend(part.router.routes)
    # Last: the dashboard's files answer to any name below theirs.
    app.router.routes.extend((*sign_in.router.routes, *dashboard.router.routes))
    for error in (HTTPException, RequestValidationError, TaskRunnerError):
        app.add_exception_handler(error, problems.handle)
    app.state.authenticator = authenticator
    middleware.install(app, settings, authenticator, rates)
    openapi.install(app)
    return app
