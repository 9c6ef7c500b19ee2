"""``generate_report``: task statistics of a window as two stored files. Owns the window; ``reporting`` renders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, model_validator

from shared.tasks import Run, TaskModel, task
from shared.tasks.reporting.page import report_page
from shared.tasks.reporting.sheet import report_sheet

USUAL_WINDOW = timedelta(hours=24)
LONGEST_WINDOW = timedelta(days=366)
FIRST_YEAR, LAST_YEAR = 1970, 2999


def _in_utc(at: datetime) -> datetime:
    # Refused before converting: year 1 in another zone is no year at all in UTC.
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise ValueError(f"a year from {FIRST_YEAR} to {LAST_YEAR}")
    return at.astimezone(UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class ReportInput(TaskModel):
    """The window [since, until); by default the last 24 hours."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{}, {"since": "2026-03-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"}]}
    )

    since: Moment | None = Field(default=None, description="Start; by default 24 hours before the end.")
    until: Moment | None = Field(default=None, description="End; by default now.")

    @model_validator(mode="after")
    def _window_is_sound(self) -> Self:
        if self.since is not None and self.until is not None:
            check_window(self.since, self.until)
        return self


class ReportFiles(TaskModel):
    """Ids of the stored files: read them at /files/{id}/content."""

    html: UUID = Field(description="The page.")
    csv: UUID = Field(description="The table.")


class ReportOutput(TaskModel):
    """Where the report is."""

    files: ReportFiles = Field(description="The ids of what was stored.")
    rows: int = Field(description="Lines of the report: one per task type and queue.")


@task(type="generate_report", queue="demo_tasks", timeout=120, max_attempts=4)
async def generate_report(run: Run, given: ReportInput) -> ReportOutput:
    """Write the task statistics of a window as an HTML page with charts and as CSV, both stored as files.

    Raises: ValueError: the window is empty, or longer than 366 days.
    """
    now = datetime.now(UTC)
    since, until = window_of(given, now)
    run.progress(10, "counting")
    rows = await run.stats.window(since, until)
    run.progress(60, f"rendering {len(rows)} rows")
    name = f"report_{since:%Y%m%dT%H%M%SZ}_{until:%Y%m%dT%H%M%SZ}"
    page = await run.files.save(f"{name}.html", report_page(rows, since, until, now).encode(), "text/html")
    run.progress(80, "storing")
    sheet = await run.files.save(f"{name}.csv", report_sheet(rows).encode(), "text/csv")
    return ReportOutput(files=ReportFiles(html=page.id, csv=sheet.id), rows=len(rows))


def window_of(given: ReportInput, now: datetime) -> tuple[datetime, datetime]:
    """``(since, until)``, defaults filled in. Raises: ValueError."""
    until = given.until or now
    since = given.since or until - USUAL_WINDOW
    check_window(since, until)
    return since, until


def check_window(since: datetime, until: datetime) -> None:
    """Raises: ValueError: empty or too long."""
    if since >= until:
        raise ValueError("since must be before until")
    if until - since > LONGEST_WINDOW:
        raise ValueError(f"the window may span {LONGEST_WINDOW.days} days at most")
