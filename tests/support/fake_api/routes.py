"""Every route of the stand-in. The first that fits is taken."""

from __future__ import annotations

from tests.support.fake_api import belongings, fleet, tasks
from tests.support.fake_api.wire import Route

ROUTES: list[Route] = [*tasks.ROUTES, *belongings.ROUTES, *fleet.ROUTES]
