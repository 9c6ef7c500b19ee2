"""What every test may ask for. The servers are real and start once a run."""

from __future__ import annotations

pytest_plugins = ["tests.support.servers", "tests.support.processes", "tests.support.stores"]
