"""The worker's end of a blocking run: does on the live run what the handler asked for, by name.

A closed list of names: nothing a child sends can reach anything else.
"""

from __future__ import annotations

from typing import Any

from shared.domain.run import Run

LOG_LEVELS = frozenset({"debug", "info", "warning", "error"})
METHODS = frozenset(
    {"ai.generate", "ai.describe_image", "files.get", "files.save", "files.fetch", "mail.send", "stats.window"}
)


def note(run: Run, what: str, values: list[Any]) -> None:
    """Pass on a one-way message. Raises: ValueError, or what the live run raises."""
    match what, values:
        case "progress", [percent, message]:
            run.progress(percent, message)
        case "emit", [delta]:
            run.emit(delta)
        case "log", [level, event, facts] if level in LOG_LEVELS:
            getattr(run.log, level)(event, **facts)
        case _:
            raise ValueError(f"a handler's process sent an unknown message {what!r}")


async def perform(run: Run, name: str, arguments: dict[str, Any]) -> Any:
    """Call the method ``name`` of the live run. Raises: ValueError, or what the method raises."""
    if name == "ai.has_vision":
        return run.ai.has_vision
    if name not in METHODS:
        raise ValueError(f"a run has no method {name!r}")
    if name == "ai.generate":
        # The pieces go out from here: no need to carry each to the handler and back.
        arguments = {**arguments, "on_delta": run.emit}
    part, _, method = name.partition(".")
    return await getattr(getattr(run, part), method)(**arguments)
