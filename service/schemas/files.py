"""What a stored file looks like from outside."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from service.schemas.base import View


class FileView(View):
    """The record of a stored file."""

    id: UUID = Field(description="Names it in the input of a task.")
    name: str = Field(description="As it was uploaded, made safe for a file name.")
    size: int = Field(description="Bytes.")
    sha256: str = Field(description="Of the bytes, as hexadecimal digits.")
    media_type: str = Field(description="By the first bytes, not by what the sender claimed.")
    created_at: datetime = Field(description="When it was stored; retention counts from here.")
