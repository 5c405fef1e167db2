"""The server's clock, which dates the past, and ours."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime, timedelta

from sqlalchemy.engine import Connection

from pgcraft_core.migrate.connect import execute

_logger = logging.getLogger(__name__)

_TOLERATED = timedelta(days=1)


def read_day(connection: Connection) -> date:
    """Return the server's date in UTC; a clock of ours that is more than a day apart from it is logged."""
    now: datetime = execute(connection, "SELECT now() AT TIME ZONE 'UTC'")[0][0].replace(tzinfo=UTC)
    difference = datetime.now(UTC) - now
    if abs(difference) > _TOLERATED:
        _logger.warning(
            "the clock here is %s the database server's by %s; months of the past are made and dropped by the earlier",
            "ahead of" if difference > timedelta() else "behind",
            abs(difference),
        )
    return now.date()
