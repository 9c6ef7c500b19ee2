"""A recorded run whose files lie in the test's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.runs import FakeBlockingRun, blocking_run


@pytest.fixture
def run(tmp_path: Path) -> FakeBlockingRun:
    return blocking_run(tmp_path)
