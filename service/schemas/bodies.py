"""Request bodies that FastAPI does not read, and so cannot document: ``openapi_extra=`` of their routes."""

from __future__ import annotations

from typing import Any

MULTIPART: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "contentMediaType": "application/octet-stream",
                            "description": "The one part, with a file name.",
                        }
                    },
                    "additionalProperties": False,
                },
                "example": {"file": "city,price\nOslo,12\nRome,9\n"},
            }
        },
    }
}
NOTHING: dict[str, Any] = {
    "requestBody": {
        "required": False,
        "description": "Send none. An empty object is taken for those whose client must send one.",
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {}, "additionalProperties": False},
                "example": {},
            }
        },
    }
}
