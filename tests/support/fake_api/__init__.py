"""A loopback stand-in for the service: real HTTP, tasks that advance one step per look, refusals on order.

It holds the outside contract only, so the client and its commands are tested without stores or workers.
"""

from __future__ import annotations

from tests.support.fake_api.documents import BLANK, TYPES
from tests.support.fake_api.server import FakeApi

__all__ = ["BLANK", "TYPES", "FakeApi"]
