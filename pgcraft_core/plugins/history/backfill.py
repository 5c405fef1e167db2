"""The one exemption: a migration's own backfill, which writes no past.

It takes three things together. Anybody can set the setting, and foreign keys act as the table's owner, but within a
trigger; only a statement sent by the owner role itself, which nobody logs in as, is both owner and at depth 0.
"""

from __future__ import annotations

from pgcraft_core.sql.literals import quote_literal

SETTING = "pgcraft.backfill"

BEGIN_BACKFILL = f"SET LOCAL {SETTING} = 'on'"
"""Exempts what the owner role does until the transaction ends."""


def unless_backfill(owner: str) -> str:
    """Return the condition of a trigger that a migration's backfill does not fire; never NULL."""
    return (
        f"pg_trigger_depth() > 0 OR current_user <> {quote_literal(owner)} "
        f"OR current_setting('{SETTING}', true) IS DISTINCT FROM 'on'"
    )


def backfill_in_body() -> str:
    """Return, for a function that runs as whoever fires it, whether this is a backfill where that is the owner."""
    return (
        "pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.=) 1\n"
        f"     AND pg_catalog.current_setting('{SETTING}', true) OPERATOR(pg_catalog.=) 'on'"
    )


def unless_settling(owner: str) -> str:
    """Return the condition that an UPDATE is not one by which a trigger of ours settles the stamp of a row.

    Foreign keys act as the owner within a trigger too, but never set a stamp.
    """
    return f"pg_trigger_depth() = 0 OR current_user <> {quote_literal(owner)}"
