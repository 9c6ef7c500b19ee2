"""A request to cancel what runs. It names the generation: one that comes late must not end what a person began anew."""

from __future__ import annotations

from typing import NamedTuple, Self
from uuid import UUID


class CancelRequest(NamedTuple):
    """Somebody wants this generation of the task to end; as text it travels through either store."""

    task_id: UUID
    generation: int

    def __str__(self) -> str:
        return f"{self.task_id}:{self.generation}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises: ValueError, where ``text`` is no such request."""
        task_id, _, generation = text.partition(":")
        return cls(UUID(task_id), int(generation))
