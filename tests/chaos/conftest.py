"""Faults injected for real: signals to real processes, and stores that go away. Uses the services of the e2e tests."""

from __future__ import annotations

from tests.e2e.conftest import own_service

__all__ = ["own_service"]
