"""A loopback mail server that delivers nothing: each mail becomes one ``.eml`` file.

Run as ``python -m shared.embedded.mailsink --port N --dir D``. Logs who wrote to whom, never what.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import uuid
from pathlib import Path

from aiosmtpd.smtp import SMTP, Envelope, Session

from shared.embedded.ports import LOOPBACK

MAX_MAIL_BYTES = 32 * 1_048_576
SHOWN_RECIPIENTS = 3

log = logging.getLogger("mail")


class Keep:
    """aiosmtpd's handler: its method names are the library's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        path = await asyncio.to_thread(self._write, content)
        shown = [*envelope.rcpt_tos[:SHOWN_RECIPIENTS], *(["…"] if len(envelope.rcpt_tos) > SHOWN_RECIPIENTS else [])]
        # %r: an address is the sender's text, and must not forge a line.
        log.info("mail kept  from=%r to=%r bytes=%d file=%s", envelope.mail_from, shown, len(content), path)
        return "250 Message kept, and not delivered"

    def _write(self, content: bytes) -> Path:
        path = self._folder / f"{uuid.uuid4().hex}.eml"
        draft = path.with_suffix(".draft")
        draft.write_bytes(content)
        draft.rename(path)  # whoever watches the folder sees whole mails only
        return path


async def serve(port: int, folder: Path) -> None:
    """Accept mail until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    keep = Keep(folder)

    def accept() -> SMTP:
        return SMTP(keep, hostname="localhost", ident="taskrunner mail sink", data_size_limit=MAX_MAIL_BYTES)

    server = await loop.create_server(accept, LOOPBACK, port)
    log.info("mail sink listening on %s:%d, keeping mails in %s", LOOPBACK, port, folder)
    await stop.wait()
    # Not wait_closed(): an idle client may keep its connection, and holds nothing we would lose.
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="mailsink", description="Keep mails as files instead of delivering them.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--dir", type=Path, required=True)
    given = parser.parse_args()
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd's own lines: every command of every session
    given.dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    asyncio.run(serve(given.port, given.dir.resolve()))


if __name__ == "__main__":
    main()
