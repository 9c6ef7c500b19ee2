"""The table of rates: how far ahead of now each has been used."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from shared.db.models import Base


class RateRow(Base):
    """One rate. Up to ``busy_until`` it is used up; a moment that is past means that nobody used it for a while."""

    __tablename__ = "rates"

    name: Mapped[str] = mapped_column(primary_key=True)
    busy_until: Mapped[datetime]

    # Every use is a new version of a row.
    __table_args__ = ({"postgresql_with": {"fillfactor": 50}},)
