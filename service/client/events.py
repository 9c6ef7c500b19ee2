"""The events of a stream, as the client hands them on."""

from __future__ import annotations

from typing import Any

from service.client.models import Answer, Task


class Event(Answer):
    """One event of a stream: ``status``, ``progress``, ``output``, ``gap`` or ``end``; of a feed what happened."""

    id: str
    event: str
    data: dict[str, Any]

    @property
    def delta(self) -> str:
        """The piece of output; empty in every other event."""
        return str(self.data["delta"]) if self.event == "output" else ""

    @property
    def task(self) -> Task | None:
        """The final task, in ``end``."""
        return Task.model_validate(self.data) if self.event == "end" else None
