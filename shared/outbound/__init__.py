"""Requests to URLs that users gave us: the one guard against forged server-side requests (SSRF).

Servers an operator configures (AI, SMTP, stores) do not pass here.
"""

from shared.outbound.client import client_for
from shared.outbound.download import download
from shared.outbound.guard import Checked, resolve
from shared.outbound.retry_after import parse_retry_after

__all__ = ["Checked", "client_for", "download", "parse_retry_after", "resolve"]
