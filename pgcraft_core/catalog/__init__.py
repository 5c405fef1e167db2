"""Actual state: bulk readers of pg_catalog, the ownership registry, and what Postgres makes of an expression."""
