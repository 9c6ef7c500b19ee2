"""What a stored file looks like from outside."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from service.schemas.base import View


class FileView(View):
    id: UUID
    name: str
    size: int = Field(description="Bytes.")
    sha256: str
    media_type: str = Field(description="By the first bytes, not by what the sender claimed.")
    created_at: datetime
