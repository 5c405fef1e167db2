"""Who acts: the subject of the request's token, else its role, else the session's user.

Any SQL user can set the claims, so whoever is recorded by them has the session's user recorded beside.
"""

from __future__ import annotations

CLAIMS = "request.jwt.claims"
"""The setting in which PostgREST hands on the claims of a request's token, as JSON."""

_CLAIMS = f"current_setting('{CLAIMS}', true)"

ACTOR = (
    f"CASE WHEN {_CLAIMS} <> '' THEN coalesce({_CLAIMS}::json ->> 'sub', {_CLAIMS}::json ->> 'role', session_user) "
    "ELSE session_user END"
)
"""The acting user as a default of type text, which is parsed when it is made."""

_CLAIMS_IN_BODY = f"pg_catalog.current_setting('{CLAIMS}', true)"

ACTOR_IN_BODY = f"""CASE WHEN {_CLAIMS_IN_BODY} OPERATOR(pg_catalog.<>) ''
    THEN coalesce(
      {_CLAIMS_IN_BODY}::pg_catalog.json OPERATOR(pg_catalog.->>) 'sub',
      {_CLAIMS_IN_BODY}::pg_catalog.json OPERATOR(pg_catalog.->>) 'role',
      session_user
    )
    ELSE session_user
  END"""
"""The acting user as an expression of type text, for bodies of functions.

They are parsed in the session of whoever fires them, so every name is qualified: even an empty search path begins with
`pg_temp`, where anybody can make a type `json` or `text` that runs their code."""

SESSION = "session_user"
"""The user that is connected, whoever it acts for."""
