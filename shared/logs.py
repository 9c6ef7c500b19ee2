"""Structured logs: one event name and its facts a line, as JSON or for a console. Never a payload, never a key."""

from __future__ import annotations

import logging
import logging.config
import sys
from contextvars import ContextVar
from typing import TYPE_CHECKING, cast

import structlog

from shared.tracebacks import escaped, traceback_of, write_traceback

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from structlog.typing import EventDict, FilteringBoundLogger, Processor

    from shared.settings import Settings

FACTS: ContextVar[Callable[[], Mapping[str, object]] | None] = ContextVar("facts", default=None)
"""What every line of the run or the request at hand carries; made only when a line is written."""


def configure_logs(settings: Settings) -> None:
    """Send structlog and the standard library's loggers to stderr, in one format."""
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        merge_facts,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    if settings.log_format == "json":
        # JSON escapes control characters, so no input can forge a line.
        render: list[Processor] = [
            structlog.processors.ExceptionRenderer(traceback_of),
            structlog.processors.JSONRenderer(),
        ]
    else:
        render = [
            _escape_event,
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), pad_event_to=28, exception_formatter=write_traceback
            ),
        ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=chain,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(settings.log_level)
    for program in ("arq", "uvicorn"):
        # Their command lines give them handlers: lines without our format, quoting what an error quotes, or twice.
        logging.getLogger(program).handlers.clear()
        logging.getLogger(program).propagate = True
    for noisy in ("httpx", "httpcore", "arq", "asyncio", "PIL", "urllib3", "uvicorn.access", "alembic"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *chain,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def merge_facts(_logger: object, _method: str, facts: EventDict) -> EventDict:
    """Every line carries the facts of its run or request; its own go first."""
    known = FACTS.get()
    return facts if known is None else {**known(), **facts}


def _escape_event(_logger: object, _method: str, facts: EventDict) -> EventDict:
    """The console shows an event as it is (facts by their repr): it may neither start a line nor drive the terminal."""
    facts["event"] = escaped(str(facts["event"]))
    return facts


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger named after its module; facts go in as keyword arguments."""
    return cast("FilteringBoundLogger", structlog.stdlib.get_logger(name))
