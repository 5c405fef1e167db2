"""Whether what an expression or a column reaches is allowed, looked up by OID and remembered."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy.engine import Connection

from pgcraft_core.catalog.allowance import DENIED_FUNCTIONS, NAMING_TYPES, TRUSTED_FUNCTIONS, Allowance
from pgcraft_core.catalog.node_tree import Reached
from pgcraft_core.catalog.session import fetch
from pgcraft_core.sql.identifiers import qualify
from pgcraft_core.sql.types import TypeNameError, operator_class_name

FIRST_NORMAL_OID = 16384
"""`FirstNormalObjectId`: what came with Postgres itself has a smaller one, even in pg_catalog."""

_IN_EXTENSION = """
EXISTS (SELECT
          FROM pg_depend d
          JOIN pg_extension e ON e.oid = d.refobjid
         WHERE d.classid = {catalog}::regclass
           AND d.objid = {oid}
           AND d.refclassid = 'pg_extension'::regclass
           AND d.deptype = 'e'
           AND e.extname = ANY (%(extensions)s))
"""

_FUNCTIONS = f"""
SELECT p.oid::bigint, n.nspname, p.proname,
       ARRAY(SELECT format_type(argument.type, NULL)
               FROM unnest(p.proargtypes) WITH ORDINALITY AS argument (type, position)
              ORDER BY argument.position),
       p.provolatile = 'i', p.proretset, p.prokind,
       {_IN_EXTENSION.format(catalog="'pg_proc'", oid="p.oid")}
  FROM pg_proc p
  JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE p.oid = ANY (%(oids)s::oid[])
"""

_OPERATORS = "SELECT oid::bigint, oprcode::oid::bigint FROM pg_operator WHERE oid = ANY (%(oids)s::oid[])"

# An array type is as good as its element type.
_TYPES = f"""
SELECT t.oid::bigint, format_type(element.oid, NULL), n.nspname, element.typname, element.typtype,
       element.oid::bigint, element.typisdefined,
       EXISTS (SELECT FROM pg_class c WHERE c.oid = element.typrelid AND c.relkind <> 'c'),
       {_IN_EXTENSION.format(catalog="'pg_type'", oid="element.oid")}
  FROM pg_type t
  JOIN pg_type element
    ON element.oid = CASE WHEN t.typsubscript = 'array_subscript_handler'::regproc AND t.typelem <> 0
                          THEN t.typelem ELSE t.oid END
  JOIN pg_namespace n ON n.oid = element.typnamespace
 WHERE t.oid = ANY (%(oids)s::oid[])
"""

_COLLATIONS = f"""
SELECT c.oid::bigint, n.nspname, c.collname, {_IN_EXTENSION.format(catalog="'pg_collation'", oid="c.oid")}
  FROM pg_collation c
  JOIN pg_namespace n ON n.oid = c.collnamespace
 WHERE c.oid = ANY (%(oids)s::oid[])
"""

# A name without schema is that of pg_catalog, which only a superuser can add to.
_OPERATOR_CLASSES = f"""
SELECT n.nspname, {_IN_EXTENSION.format(catalog="'pg_opclass'", oid="c.oid")}
  FROM pg_opclass c
  JOIN pg_am am ON am.oid = c.opcmethod
  JOIN pg_namespace n ON n.oid = c.opcnamespace
 WHERE am.amname = %(method)s AND n.nspname = %(schema)s AND c.opcname = %(name)s
"""

_METHODS = f"""
SELECT am.oid::bigint, {_IN_EXTENSION.format(catalog="'pg_am'", oid="am.oid")}
  FROM pg_am am
 WHERE am.amname = %(method)s
"""

_WITHIN_EXPRESSIONS = frozenset({"record", "unknown"})
"""Pseudo-types that values have inside an expression: a row, and an argument of `format` whose type is left open."""

_ROW_ADVICE = "use jsonb, or a composite type made by CREATE TYPE"
_SCHEMA_ADVICE = "the platform can give the schema to the namespace in Database.spec.allowedNamespaces"
_EXTENSION_ADVICE = "declare the extension it comes from in Database.spec.extensions"


class Verdicts:
    """Objections to functions, types and collations under one allowance; None stands for no objection."""

    def __init__(self, connection: Connection, allowance: Allowance) -> None:
        self._connection = connection
        self._allowance = allowance
        self._functions: dict[int, str | None] = {}
        self._operators: dict[int, int] = {}
        self._types: dict[int, tuple[str | None, str | None]] = {}
        self._collations: dict[int, str | None] = {}

    def objections(self, reached: Reached) -> tuple[str, ...]:
        """Return a sentence for each thing the expression may not use."""
        operators = self._know(self._operators, reached.operators, _OPERATORS, lambda row: row[1])
        functions = reached.functions.union(filter(None, operators))
        messages = [f"{what} may not be used in an expression of a dimension" for what in reached.refused]
        messages += filter(None, self._know(self._functions, functions, _FUNCTIONS, self._judge_function))
        types = [within for _, within in self._judged_types(reached.types)]
        collations = self._know(self._collations, reached.collations, _COLLATIONS, self._judge_collation)
        # The types around a function that may not be called go with it, and would only repeat the objection.
        return tuple(dict.fromkeys(messages or filter(None, [*types, *collations])))

    def column_type_objections(self, oids: Collection[int]) -> Mapping[int, str]:
        """Return a sentence for each of these types that no column may have."""
        self._judged_types(oids)
        return {oid: message for oid in oids if (message := self._types[oid][0]) is not None}

    def index_objection(self, method: str, operator_classes: Iterable[str]) -> str | None:
        """Return a sentence where the access method or an operator class may not be used.

        What does not exist is no objection: that is for Postgres to say.
        """
        extensions = sorted(self._allowance.extensions)
        for oid, in_extension in fetch(self._connection, _METHODS, {"method": method, "extensions": extensions}):
            if oid >= FIRST_NORMAL_OID and not in_extension:
                return f"index method {method} may not be used by this dimension; {_EXTENSION_ADVICE}"
        for text in operator_classes:
            try:
                schema, name = operator_class_name(text)
            except TypeNameError as error:
                return f"operator class {text}: {error}"
            asked = {"method": method, "schema": schema or "pg_catalog", "name": name, "extensions": extensions}
            for namespace, in_extension in fetch(self._connection, _OPERATOR_CLASSES, asked):
                if not in_extension and namespace not in ("pg_catalog", *self._allowance.schemas):
                    return f"operator class {text} may not be used by this dimension; {_EXTENSION_ADVICE}"
        return None

    def _judged_types(self, oids: Collection[int]) -> list[tuple[str | None, str | None]]:
        return self._know(self._types, oids, _TYPES, self._judge_type)

    def _know(
        self, known: dict[int, Any], oids: Collection[int], query: str, judge: Callable[[Sequence[Any]], Any]
    ) -> list[Any]:
        """Return the verdicts on `oids`, asking the database once for those it does not know yet.

        Raises:
            LookupError: an OID names nothing; the tree was not understood, and must not pass.
        """
        missing = sorted(set(oids) - known.keys())
        if missing:
            parameters: dict[str, Any] = {"oids": missing}
            if "%(extensions)s" in query:
                parameters["extensions"] = sorted(self._allowance.extensions)
            known.update((row[0], judge(row)) for row in fetch(self._connection, query, parameters))
        try:
            return [known[oid] for oid in sorted(oids)]
        except KeyError as error:
            raise LookupError(f"OID {error} is in an expression, but not in the catalog") from error

    def _judge_function(self, row: Sequence[Any]) -> str | None:
        oid, schema, name, argument_types, immutable, returns_set, kind, in_extension = row
        signature = f"{qualify(schema, name)}({', '.join(argument_types)})"
        if returns_set or kind != "f":
            return f"function {signature} does not give one value for one row and may not be used here"
        if in_extension or self._allowance.permits(schema, name, tuple(argument_types)):
            return None
        trusted = name not in DENIED_FUNCTIONS and (immutable or name in TRUSTED_FUNCTIONS)
        if schema == "pg_catalog" and oid < FIRST_NORMAL_OID and trusted:
            return None
        return (
            f"function {signature} may not be called from a dimension; "
            f"the platform can allow it in Database.spec.allowedFunctions"
        )

    def _judge_type(self, row: Sequence[Any]) -> tuple[str | None, str | None]:
        """Return the objections to a column of the type, and to a value of it in an expression."""
        _, shown, schema, name, kind, oid, defined, of_relation, in_extension = row
        if kind == "p":
            message = f"{shown} is a pseudo-type, which no column can have"
            return message, None if name in _WITHIN_EXPRESSIONS else message
        if not defined:
            message = f"type {shown} is only a shell, not defined yet"
            return message, message
        if of_relation:
            message = f"type {shown} is the row of a table or view, which could not change any more; {_ROW_ADVICE}"
            return message, message
        if schema == "pg_catalog" and oid < FIRST_NORMAL_OID:
            names_objects = f"type {shown} names objects of the database and may not be used in an expression"
            return None, names_objects if name in NAMING_TYPES else None
        if in_extension or schema in self._allowance.schemas:
            return None, None
        message = f"type {shown} may not be used by this dimension; {_SCHEMA_ADVICE}, or {_EXTENSION_ADVICE}"
        return message, message

    def _judge_collation(self, row: Sequence[Any]) -> str | None:
        _, schema, name, in_extension = row
        if in_extension or schema in ("pg_catalog", *self._allowance.schemas):
            return None
        return f"collation {qualify(schema, name)} may not be used by this dimension; {_SCHEMA_ADVICE}"
