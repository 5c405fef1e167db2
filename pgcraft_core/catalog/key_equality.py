"""Which equality keys of a type are compared by."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy.engine import Connection

from pgcraft_core.catalog.column_types import resolve_types
from pgcraft_core.catalog.session import fetch

# A domain is compared as what it is a domain over. Types that come without a btree class of their own, such as
# varchar and enums, are compared by one of pg_catalog.
_FOREIGN = """
WITH RECURSIVE base (asked, oid, over) AS (
  SELECT t.oid, t.oid, t.typbasetype FROM pg_type t WHERE t.oid = ANY (%(oids)s::oid[])
  UNION ALL
  SELECT base.asked, t.oid, t.typbasetype FROM base JOIN pg_type t ON t.oid = base.over
)
SELECT DISTINCT base.asked::bigint
  FROM base
  JOIN pg_opclass c ON c.opcintype = base.oid AND c.opcdefault
  JOIN pg_am am ON am.oid = c.opcmethod AND am.amname = 'btree'
  JOIN pg_amop a
    ON a.amopfamily = c.opcfamily AND a.amoplefttype = base.oid AND a.amoprighttype = base.oid AND a.amopstrategy = 3
  JOIN pg_operator o ON o.oid = a.amopopr
 WHERE base.over = 0 AND o.oprnamespace <> 'pg_catalog'::regnamespace
"""


def find_foreign_equality(connection: Connection, types: Collection[str]) -> frozenset[str]:
    """Return which of the types, in canonical form, are compared by an operator outside pg_catalog (`citext`)."""
    # Only types with a schema can be, and arrays are compared by an operator of pg_catalog.
    asked = [name for name in types if "." in name and not name.endswith("[]")]
    if not asked:
        return frozenset()
    resolved = resolve_types(connection, asked)
    oids = [oid for oid in resolved.values() if oid is not None]
    foreign = {oid for (oid,) in fetch(connection, _FOREIGN, {"oids": oids})}
    return frozenset(name for name, oid in resolved.items() if oid in foreign)
