"""The producer's command line, the same for every peer: ``python -m … COUNT SECONDS PREFIX``. Standard library only."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable


def produced(submit: Callable[[list[str], float], None]) -> None:
    """Submit, and say in one line of JSON how that ended: null, or the error's name."""
    count, seconds, prefix = sys.argv[1:]
    error = None
    try:
        submit([f"{prefix}-{n}" for n in range(int(count))], float(seconds))
    except Exception as refusal:  # noqa: BLE001 - which error a library raises is what is asked here
        error = type(refusal).__name__
    sys.stdout.write(json.dumps({"error": error}) + "\n")
