"""What every request passes before a route sees it, outermost first. Plain ASGI: no task or queue per request."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from service.auth import Authenticator
from service.middleware.access import Access
from service.middleware.context import RequestContext
from service.middleware.errors import Errors
from service.middleware.head import Head
from service.middleware.limits import Limits
from service.rate_limits import RateLimits
from service.schemas.answer_headers import ANSWER_HEADERS
from shared.settings import Settings
from shared.telemetry.exporting import is_wanted


def install(app: FastAPI, settings: Settings, authenticator: Authenticator, rates: RateLimits | None) -> None:
    """Put the chain around ``app``: (span →) context → CORS → errors → limits → access → head → routes.

    Raises: ConfigurationError, where traces are wanted and cannot be sent.
    """
    # add_middleware puts each one around those before it, so this reads from the inside out.
    app.add_middleware(Head)
    app.add_middleware(
        Access,
        authenticator=authenticator,
        rates=rates,
        origins=settings.cors_origins,
        metrics_public=settings.metrics_public,
    )
    app.add_middleware(Limits, max_upload_bytes=settings.max_upload_bytes)
    app.add_middleware(Errors)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["*"],
            expose_headers=list(ANSWER_HEADERS),
            max_age=3_600,
        )
    app.add_middleware(RequestContext)
    if is_wanted():
        from service.middleware.tracing import Traced  # noqa: PLC0415 - loads OpenTelemetry

        app.add_middleware(Traced)
