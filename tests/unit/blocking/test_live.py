"""What a child may ask for is a closed list."""

from __future__ import annotations

from typing import Any, cast

import pytest

from shared.domain.run import Run
from worker.blocking.live import note, perform

NOBODY = cast("Run", object())


@pytest.mark.parametrize("name", ["", "ai", "files.delete", "ai.__class__", "log.error", "emit", "files.get.x"])
async def test_a_method_that_is_not_on_the_list_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="has no method"):
        await perform(NOBODY, name, {})


@pytest.mark.parametrize(
    ("what", "values"),
    [("shout", []), ("progress", [1]), ("emit", ["a", "b"]), ("log", ["critical", "e", {}]), ("log", ["info", "e"])],
)
def test_an_unknown_message_is_refused(what: str, values: list[Any]) -> None:
    with pytest.raises(ValueError, match="unknown message"):
        note(NOBODY, what, values)
