"""Requests to URLs that users gave us: the one guard against forged server-side requests (SSRF).

Servers an operator configures (AI, SMTP, stores) do not pass here.
"""

from shared.outbound.client import client_for
from shared.outbound.download import download
from shared.outbound.guard import Checked, check, resolve
from shared.outbound.post import Answered, post
from shared.outbound.retry_after import parse_retry_after

__all__ = ["Answered", "Checked", "check", "client_for", "download", "parse_retry_after", "post", "resolve"]
