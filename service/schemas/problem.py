"""The one shape of every error answer."""

from __future__ import annotations

from pydantic import Field

from service.schemas.base import View


class FieldProblem(View):
    """One place of a request, and what is wrong there."""

    pointer: str = Field(description="RFC 6901 pointer into the body, or the name of a parameter.")
    detail: str = Field(description="What is wrong.")


class ProblemView(View):
    """RFC 9457 problem details. `code` is stable: branch on it."""

    type: str = Field(description="`urn:taskrunner:problem:` and the code.")
    title: str = Field(description="What kind of problem it is, the same for each of its code.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="What is wrong here, for people.")
    instance: str = Field(description="The path that was asked.")
    code: str = Field(description="The stable name of the problem.")
    request_id: str | None = Field(description="Finds the request in the logs; null where it failed before it had one.")
    errors: list[FieldProblem] | None = Field(
        default=None, description="Each wrong place; absent where it is not about places."
    )
