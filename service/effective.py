"""The settings in force, fit to be shown: under the names they are set by, and without what would open a door."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from shared.settings import UNPREFIXED, Settings

MASK = "********"
ADDRESSES = frozenset({"database_url", "redis_url", "redis_result_url", "smtp_url", "ai_base_url"})


def effective(settings: Settings) -> dict[str, Any]:
    """Each setting by its variable. Of addresses, users and queries are left out; of any other secret, everything."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    values["redis_result_url"] = settings.result_url  # left unset, it has a value all the same
    return {variable_of(name): _shown(name, value) for name, value in values.items()}


def variable_of(name: str) -> str:
    return name.upper() if name.upper() in UNPREFIXED else f"TASKRUNNER_{name.upper()}"


def _shown(name: str, value: Any) -> Any:
    match value:
        case None:
            return None
        case _ if name in ADDRESSES:
            return _address(value.get_secret_value() if isinstance(value, SecretStr) else value)
        case SecretStr():
            return MASK
        case Path():
            return str(value)
        case tuple():
            return list(value)
        case _:
            return value


def _address(text: str) -> str:
    """Scheme, host and path. A password may hold anything: where it is not clear what is one, nothing is shown."""
    scheme, _, rest = text.partition("://")
    user, _, place = rest.rpartition("@")
    if re.search(r"[/?#]", user):
        return MASK
    return f"{scheme}://{f'{MASK}@' if user else ''}{re.split('[?#]', place)[0]}"
