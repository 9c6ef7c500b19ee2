"""The one shape of every error answer."""

from __future__ import annotations

from pydantic import Field

from service.schemas.base import View


class FieldProblem(View):
    pointer: str = Field(description="RFC 6901 pointer into the body, or the name of a parameter.")
    detail: str


class ProblemView(View):
    """RFC 9457 problem details. `code` is stable: branch on it."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    request_id: str | None
    errors: list[FieldProblem] | None = None
