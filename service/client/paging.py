"""Lists of the service, read page by page for as long as the caller reads on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from service.client.calls import Call, Emit, Feed, Reply, exchange
from service.client.models import Answer, Page

PAGE = 200
"""Rows the service gives at most in one page."""
NO_FILTERS: Mapping[str, Any] = MappingProxyType({})

Row = TypeVar("Row", bound=Answer)


def listed(
    path: str,
    model: type[Row],
    *,
    filters: Mapping[str, Any] = NO_FILTERS,
    page_size: int = PAGE,
    patience: float = 0.0,
) -> Feed[Row]:
    """Every ``model`` of the list at ``path``, in its order. ``patience``: seconds a page may take, as in ``Call``."""

    def read(reply: Reply) -> Page[Row]:
        return Page[model].model_validate_json(reply.body)  # type: ignore[valid-type]

    asked = {**filters, "limit": min(page_size, PAGE)}
    while True:
        page = yield from exchange(Call("GET", path, read, params=asked, patience=patience))
        for row in page.data:
            yield Emit(row)
        if page.next_cursor is None:
            return
        asked = {**asked, "cursor": page.next_cursor}
