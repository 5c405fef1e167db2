"""What Postgres itself makes of a table's types and expressions, and whether their author may use what they reach.

Nothing of the author's runs before it is allowed. First the text is checked without Postgres: one expression, no schema
the author was not given. Then Postgres parses it as a check of a scratch table, which plans and calls nothing, and
everything in the stored tree is held against the allow-list. Only what passed is tried in its real shape: as default,
generated column, index.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from pgcraft_core.catalog.allowance import Allowance
from pgcraft_core.catalog.column_types import resolve_types
from pgcraft_core.catalog.node_tree import read_node_tree
from pgcraft_core.catalog.scratch import (
    Expression,
    Finding,
    Statement,
    add_index,
    expressions_of,
    finding,
    is_authors_fault,
    is_unusual,
    needs_scratch,
    only_expression_of,
    parsed_table,
    shaped_table,
    without_columns,
    without_elements,
)
from pgcraft_core.catalog.session import discarded, execute, fetch, qualified_names
from pgcraft_core.catalog.verdicts import Verdicts
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.table import Table
from pgcraft_core.sql.expressions import ExpressionError, qualifiers, require_single_expression
from pgcraft_core.sql.identifiers import quote_identifier
from pgcraft_core.sql.types import TypeNameError, canonical_type

__all__ = ["Allowance", "Finding", "ScratchUnavailableError", "probe_tables"]

_TREES = """
SELECT conname::int, conbin::text
  FROM pg_constraint
 WHERE conrelid = %(table)s::regclass AND contype = 'c'
 ORDER BY 1
"""
_INSUFFICIENT_PRIVILEGE = "42501"
_QUERY_CANCELED = "57014"

_STATEMENT_PATIENCE = 3.0
_TABLE_PATIENCE = 9.0
"""Seconds that trying one statement, and one table, may take. Postgres computes what is constant in an index or a
generated value: `factorial(30000)` must not keep all other dimensions waiting."""

_LIMIT = "SELECT set_config('statement_timeout', %(milliseconds)s, true)"

_SCHEMAS = "SELECT nspname FROM pg_namespace"

_EXTENSION_SCHEMAS = """
SELECT n.nspname
  FROM pg_extension e
  JOIN pg_namespace n ON n.oid = e.extnamespace
 WHERE e.extname = ANY (%(extensions)s)
"""


class ScratchUnavailableError(Exception):
    """The login may not make temporary tables, in which expressions are tried; grant it TEMPORARY on the database."""


def probe_tables(connection: Connection, tables: Sequence[Table], allowance: Allowance) -> tuple[Finding, ...]:
    """Return all that is wrong with the tables' types and expressions; nothing of it stays in the database.

    Runs within the caller's transaction, in savepoints that are rolled back. Tables with neither expressions nor
    unusual index methods cost one query together.

    Raises:
        ScratchUnavailableError: expressions are to be tried, and the login may not make temporary tables.
        sqlalchemy.exc.DBAPIError: the database failed, rather than refused an expression.
    """
    with discarded(connection), qualified_names(connection):
        fetch(connection, _LIMIT, {"milliseconds": str(round(_STATEMENT_PATIENCE * 1000))})
        probe = _Probe(connection, allowance)
        return tuple(probe.findings(tables))


class _Probe:
    """One run over several tables, which share what was already looked up."""

    def __init__(self, connection: Connection, allowance: Allowance) -> None:
        self._connection = connection
        self._deadline = math.inf
        self._verdicts = Verdicts(connection, allowance)
        schemas = {"pg_catalog", *allowance.schemas, *(function.schema for function in allowance.allowed)}
        if allowance.extensions:
            asked = {"extensions": sorted(allowance.extensions)}
            schemas.update(row[0] for row in fetch(connection, _EXTENSION_SCHEMAS, asked))
        self._schemas = frozenset(schemas)
        self._foreign_schemas = frozenset(row[0] for row in fetch(connection, _SCHEMAS)) - schemas

    def findings(self, tables: Sequence[Table]) -> Iterator[Finding]:
        types = list(self._type_findings(tables))
        yield from types
        untyped: dict[ObjectId, set[str]] = {}
        for found in types:
            untyped.setdefault(found.table, set()).add(found.element.removeprefix("type:"))
        for table in tables:
            textual = [found for text in expressions_of(table) if (found := self._textual_finding(table, text))]
            yield from textual
            judged = without_columns(without_elements(table, textual), untyped.get(table.id, set()))
            yield from self._scratch_findings(judged)

    def _type_findings(self, tables: Sequence[Table]) -> Iterator[Finding]:
        columns = [(table, column) for table in tables for column in table.columns]
        canonical: dict[str, str | TypeNameError] = {}
        for _, column in columns:
            if column.type not in canonical:
                canonical[column.type] = _canonical_or_error(column.type)
        names = {text for text in canonical.values() if isinstance(text, str)}
        resolved = resolve_types(self._connection, names)
        objections = self._verdicts.column_type_objections({oid for oid in resolved.values() if oid is not None})
        for table, column in columns:
            name = canonical[column.type]
            if isinstance(name, TypeNameError):
                yield Finding(table.id, f"type:{column.name}", str(name))
            elif (oid := resolved[name]) is None:
                advice = "" if "." in name else "; a type outside pg_catalog is written with its schema"
                yield Finding(table.id, f"type:{column.name}", f"type {name} does not exist{advice}")
            elif oid in objections:
                yield Finding(table.id, f"type:{column.name}", objections[oid])

    def _textual_finding(self, table: Table, expression: Expression) -> Finding | None:
        """Judge the text alone, so that Postgres looks up nothing in a schema the author was not given."""
        try:
            require_single_expression(expression.text)
        except ExpressionError as error:
            return Finding(table.id, expression.element, str(error))
        own = {table.name} | {column.name for column in table.columns}
        for name, position in qualifiers(expression.text).items():
            # A table called like a foreign schema gives no way into it: where Postgres may read a name as either, an
            # author can leave it out.
            if name in self._foreign_schemas or name not in self._schemas | own:
                message = f"{quote_identifier(name)} is no schema this dimension may use"
                advice = "; its own columns need no qualifier" if name in own else ", nor its own table"
                return Finding(table.id, expression.element, f"{message}{advice} (at character {position})")
        return None

    def _scratch_findings(self, table: Table) -> Iterator[Finding]:
        """Try a table of which every text was judged: parse all, judge what that reaches, shape what is allowed."""
        if not needs_scratch(table):
            return
        self._deadline = time.monotonic() + _TABLE_PATIENCE
        with discarded(self._connection):
            found = list(self._parsed_findings(table, expressions_of(table)))
        found += self._index_findings(table)
        yield from found
        if any(finding.element.startswith("type:") for finding in found):
            return
        with discarded(self._connection):
            found = list(self._shaped_findings(without_elements(table, found)))
        yield from found

    def _index_findings(self, table: Table) -> Iterator[Finding]:
        for index in filter(is_unusual, table.indexes):
            classes = [element.operator_class for element in index.elements if element.operator_class is not None]
            if (objection := self._verdicts.index_objection(index.method, classes)) is not None:
                yield Finding(table.id, f"index:{index.name}", objection)

    def _parsed_findings(self, table: Table, expressions: Sequence[Expression]) -> Iterator[Finding]:
        """Let Postgres parse the expressions, and hold what they reach against the allow-list."""
        if self._refusal(parsed_table(table, expressions), table) is not None:
            refused = list(self._parsed_one_by_one(table, expressions))
            yield from refused
            bad = {found.element for found in refused}
            expressions = [expression for expression in expressions if expression.element not in bad]
            if bad and self._refusal(parsed_table(table, expressions), table) is not None:
                return  # a type is to blame, and already found
        target = {"table": f"pg_temp.{quote_identifier(table.name)}"}
        for at, tree in fetch(self._connection, _TREES, target):
            for message in self._verdicts.objections(read_node_tree(tree)):
                yield Finding(table.id, expressions[at].element, message)

    def _parsed_one_by_one(self, table: Table, expressions: Sequence[Expression]) -> Iterator[Finding]:
        """Make the table anew for each expression: ALTER TABLE would not give the position of an error."""
        for tried in ((), *((expression,) for expression in expressions)):
            with discarded(self._connection):
                refused = self._refusal(parsed_table(table, tried), table, *tried)
            if refused is not None:
                yield refused
            if refused is not None and not tried:
                return

    def _shaped_findings(self, table: Table) -> Iterator[Finding]:
        """Try what is allowed in its real shape, all at once, and only where that fails one by one."""
        unusual = list(filter(is_unusual, table.indexes))
        if not unusual and all(column.default is None and column.generated is None for column in table.columns):
            return
        statement = shaped_table(table, table.columns)
        for index in unusual:
            add_index(statement.add("; "), table, index)
        if self._refusal(statement, table) is None:
            return
        yield from self._shaped_one_by_one(table)

    def _shaped_one_by_one(self, table: Table) -> Iterator[Finding]:
        for expression in expressions_of(table):
            if expression.column is None:
                continue
            with discarded(self._connection):
                refused = self._refusal(
                    shaped_table(table, only_expression_of(expression.column, table.columns)), table, expression
                )
            if refused is not None:
                yield refused
        if (refused := self._refusal(shaped_table(table, only_expression_of(None, table.columns)), table)) is not None:
            yield refused
            return
        for index in filter(is_unusual, table.indexes):
            statement = Statement()
            add_index(statement, table, index)
            refused = self._refusal(statement, table, Expression(f"index:{index.name}", "key", ""))
            if refused is not None:
                yield refused

    def _refusal(self, statement: Statement, table: Table, expression: Expression | None = None) -> Finding | None:
        """Run the statement and keep what it made, or return what Postgres says against it."""
        element, form = (expression.element, expression.form) if expression else ("", "key")
        began = time.monotonic()
        if began > self._deadline:
            return Finding(
                table.id, "", f"trying all expressions takes longer than {_TABLE_PATIENCE:.0f} s; simplify them"
            )
        savepoint = self._connection.begin_nested()
        try:
            execute(self._connection, statement.sql)
        except DBAPIError as error:
            savepoint.rollback()
            if _sqlstate(error) == _QUERY_CANCELED and time.monotonic() - began >= _STATEMENT_PATIENCE:
                return Finding(
                    table.id, element, f"computing it takes longer than {_STATEMENT_PATIENCE:.0f} s; simplify it"
                )
            if not is_authors_fault(error):
                raise
            if _sqlstate(error) == _INSUFFICIENT_PRIVILEGE and not self._may_make_scratch_tables():
                raise ScratchUnavailableError(str(ScratchUnavailableError.__doc__)) from error
            return finding(error, statement, table.id, element, form)
        savepoint.commit()
        return None

    def _may_make_scratch_tables(self) -> bool:
        query = "SELECT has_database_privilege(current_database(), 'TEMPORARY')"
        return bool(fetch(self._connection, query)[0][0])


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _canonical_or_error(text: str) -> str | TypeNameError:
    try:
        return canonical_type(text)
    except TypeNameError as error:
        return error
