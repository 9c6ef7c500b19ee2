"""File storage on a local disk: bytes in and out under server-made names. It knows no tables and no tenants' rights."""

from shared.storage.disk import FileTooLarge, Storage, Written
from shared.storage.names import safe_name, sniff_media_type

__all__ = ["FileTooLarge", "Storage", "Written", "safe_name", "sniff_media_type"]
