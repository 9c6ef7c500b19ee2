"""Bodies of the queue routes."""

from __future__ import annotations

from pydantic import Field

from service.schemas.base import View


class QueueView(View):
    """One queue, as far as it is the caller's tenant's."""

    name: str = Field(description="Its name.")
    waiting: int = Field(description="Due, and not started.")
    delayed: int = Field(description="Not due yet: scheduled, or between two attempts.")
    running: int = Field(description="Of them, running now.")
    paused: bool = Field(description="Whether nothing starts from it.")
    oldest_age: float | None = Field(description="Seconds since the longest waiting task was due; null: none is.")
    throughput: float | None = Field(description="Tasks a second that ended in the last minute; null: Redis is away.")
    is_lower_bound: bool = Field(
        description="`waiting` and `delayed` are at least so many: counted are the first 10,000 of each priority."
    )


class QueueList(View):
    """The queues of a tenant."""

    data: list[QueueView] = Field(
        description="Those that this service serves, and any other in which the tenant has something."
    )


class PurgeView(View):
    """What a purge found, and what it did."""

    queue: str = Field(description="Its name.")
    dry_run: bool = Field(description="Whether it was only counted.")
    matched: int = Field(description="Waiting tasks found.")
    cancelled: int = Field(description="Of these, now CANCELLED; 0 in a dry run.")
    has_more: bool = Field(description="There is more than this request had the time for: repeat it.")
