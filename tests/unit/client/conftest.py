"""A fake service for each test, and both clients pointed at it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from service.client import AsyncClient, Client
from tests.support.fake_api import FakeApi


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with FakeApi() as fake:
        yield fake


@pytest.fixture
def client(api: FakeApi) -> Iterator[Client]:
    with Client(api.url) as opened:
        yield opened


@pytest.fixture
async def async_client(api: FakeApi) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(api.url) as opened:
        yield opened
