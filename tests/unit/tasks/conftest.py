"""A recorded run whose files lie in the test's own folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.testing import FakeRun


@pytest.fixture
def run(tmp_path: Path) -> FakeRun:
    return FakeRun(tmp_path)
