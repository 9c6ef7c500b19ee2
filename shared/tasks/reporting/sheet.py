"""The report as CSV (RFC 4180): one line per type and queue, times in seconds, empty where there was no sample."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import astuple, fields

from shared.domain.run import StatsRow


def report_sheet(rows: Sequence[StatsRow]) -> str:
    """Header and rows; the columns are the fields of ``StatsRow``."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(field.name for field in fields(StatsRow))
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue()
