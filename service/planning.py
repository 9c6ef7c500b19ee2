"""From a task request to a planned task: the short form, and where in the body a problem stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from starlette.requests import Request as StarletteRequest

from service.dependencies import Caller
from service.problems import MAX_ERRORS, Pointed, Problem, invalid
from service.schemas.tasks import TaskRequest
from service.trace_context import trace_of
from shared.domain.errors import InputRefused, UnknownTaskType
from shared.domain.task import DEFAULT_PRIORITY, TEXT_GENERATION, NewTask
from shared.queue.planning import Request, plan
from shared.queue.webhooks import check_callback


class Refused(Exception):
    """A request that cannot be planned: a code of ``problems.KNOWN`` and (pointer, detail) pairs."""

    def __init__(self, code: str, errors: list[Pointed]) -> None:
        super().__init__(code)
        self.code = code
        self.errors = errors

    def problem(self) -> Problem:
        if self.code == "validation_error":
            return invalid(self.errors)
        return Problem(self.code, self.errors[0][1], errors=self.errors)


def all_of(refusals: Sequence[Refused]) -> Problem:
    """One problem; a code of its own only where all agree on it."""
    errors: list[Pointed] = [error for refused in refusals for error in refused.errors]
    if len({refused.code for refused in refusals}) == 1 and refusals[0].code != "validation_error":
        return Problem(refusals[0].code, errors[0][1], errors=errors[:MAX_ERRORS])
    return invalid(errors)


def plan_task(
    caller: Caller,
    asked: TaskRequest,
    traceparent: str | None = None,
    at: str = "",
    unknown: Collection[str] = (),
) -> NewTask:
    """A task ready to store; ``at`` is the pointer to ``asked`` in the body.

    ``unknown`` are pointers into its input to values that come later. Raises: Refused.
    """
    try:
        _refuse_two_times(asked)
        refuse_callback(caller, asked.callback_url)
        type_name, given = _resolve(asked)
        return plan(
            caller.house.registry,
            caller.house.settings,
            Request(
                type=type_name,
                input=given,
                queue=asked.queue,
                priority=DEFAULT_PRIORITY if asked.priority is None else asked.priority,
                delay=asked.delay or 0.0,
                run_at=asked.run_at,
                expires_at=asked.expires_at,
                timeout=asked.timeout,
                max_attempts=asked.max_attempts,
                tags=asked.tags,
                metadata=asked.metadata,
                request_id=caller.request_id,
                traceparent=traceparent,
                callback_url=asked.callback_url,
                concurrency_key=asked.concurrency_key,
            ),
            unknown=unknown,
        )
    except UnknownTaskType as error:
        raise Refused(error.code, [(f"{at}/type", str(error))]) from None
    except InputRefused as error:
        place = _of_short_form if asked.input is None else str
        raise Refused("validation_error", [(at + place(p), detail) for p, detail in error.problems]) from None
    except Refused as error:
        raise Refused(error.code, [(at + p, detail) for p, detail in error.errors]) from None


def traceparent_of(request: StarletteRequest) -> str | None:
    """The trace that what this request submits belongs to."""
    return trace_of(request.scope)


def _refuse_two_times(asked: TaskRequest) -> None:
    if asked.run_at is not None and asked.delay:
        raise Refused("validation_error", [("/run_at", "delay and run_at exclude each other.")])


def refuse_callback(caller: Caller, url: str | None) -> None:
    """Raises: Refused, InputRefused, where ``url`` could never be called."""
    settings = caller.house.settings
    if url is not None and settings.secret_key is None:
        raise Refused("not_available", [("/callback_url", "Webhooks are signed: set TASKRUNNER_SECRET_KEY.")])
    if url is not None:
        check_callback(settings, url)


def _resolve(asked: TaskRequest) -> tuple[str, dict[str, Any]]:
    """Type and input of either form."""
    if asked.prompt is None and asked.model is None:
        missing = [(f"/{name}", "Field required") for name in ("type", "input") if getattr(asked, name) is None]
        if asked.type is None or asked.input is None:
            raise Refused("validation_error", missing)
        return asked.type, asked.input
    if asked.input is not None:
        name = "prompt" if asked.prompt is not None else "model"
        raise Refused("validation_error", [(f"/{name}", f"With input, {name} belongs into input.")])
    if asked.type not in {None, TEXT_GENERATION}:
        raise Refused("validation_error", [("/type", f"The short form is {TEXT_GENERATION}; others take input.")])
    if asked.prompt is None:
        raise Refused("validation_error", [("/prompt", "Field required")])
    given = {"prompt": asked.prompt}
    return TEXT_GENERATION, given if asked.model is None else {**given, "model": asked.model}


def _of_short_form(pointer: str) -> str:
    """The short form has the input's fields at the top of the body."""
    return pointer.removeprefix("/input") or "/prompt"
