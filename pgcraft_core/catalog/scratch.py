"""Scratch statements around an author's expressions; they know where each begins, so errors find their way back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, NamedTuple, assert_never

import psycopg
from sqlalchemy.exc import DBAPIError

from pgcraft_core.catalog.column_types import has_foreign_modifiers
from pgcraft_core.schema.base import ObjectId
from pgcraft_core.schema.table import Column, Index, Table
from pgcraft_core.sql.identifiers import column_list, quote_identifier
from pgcraft_core.sql.types import operator_class

ExpressionForm = Literal["check", "where", "default", "generated", "key"]


_ORDINARY_METHOD = "btree"


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with one element of a table.

    `element` is `type:COLUMN`, `default:COLUMN`, `generated:COLUMN`, `check:CONSTRAINT` or `index:INDEX`.
    """

    table: ObjectId
    element: str
    message: str


@dataclass(frozen=True, slots=True)
class Expression:
    """An author's text in its place; `column` is the one whose default or value it is."""

    element: str
    form: ExpressionForm
    text: str
    column: Column | None = None


def expressions_of(table: Table) -> tuple[Expression, ...]:
    """Return all expressions of a table: of columns, of checks, of indexes."""
    found: list[Expression] = []
    for column in table.columns:
        if column.generated is not None:
            found.append(Expression(f"generated:{column.name}", "generated", column.generated, column))
        elif column.default is not None:
            found.append(Expression(f"default:{column.name}", "default", column.default, column))
    found += [Expression(f"check:{check.name}", "check", check.expression) for check in table.checks]
    for index in table.indexes:
        found += [
            Expression(f"index:{index.name}", "key", element.expression)
            for element in index.elements
            if element.expression is not None
        ]
        if index.where is not None:
            found.append(Expression(f"index:{index.name}", "where", index.where))
    return tuple(found)


def is_unusual(index: Index) -> bool:
    """Whether Postgres may refuse the index for other reasons than a column that is not there."""
    return (
        index.where is not None
        or index.method != _ORDINARY_METHOD
        or any(element.expression is not None or element.operator_class is not None for element in index.elements)
    )


def needs_scratch(table: Table) -> bool:
    """Whether names of types alone do not settle that Postgres takes the table."""
    return (
        bool(expressions_of(table))
        or any(map(is_unusual, table.indexes))
        or any(has_foreign_modifiers(column.type) for column in table.columns)
    )


def without_elements(table: Table, findings: Iterable[Finding]) -> Table:
    """Return the table without the checks, indexes, defaults and generated values that were found bad."""
    bad = {finding.element for finding in findings}
    return table.model_copy(
        update={
            "columns": tuple(
                column.model_copy(update={"default": None, "generated": None})
                if {f"default:{column.name}", f"generated:{column.name}"} & bad
                else column
                for column in table.columns
            ),
            "checks": tuple(check for check in table.checks if f"check:{check.name}" not in bad),
            "indexes": tuple(index for index in table.indexes if f"index:{index.name}" not in bad),
        }
    )


def without_columns(table: Table, names: AbstractSet[str]) -> Table:
    """Return the table without these columns and whatever may stand on them, which cannot be judged without them."""
    if not names:
        return table
    clouded = {
        expression.element
        for expression in expressions_of(table)
        if any(name.lower() in expression.text.lower() for name in names)
    }
    clouded |= {
        f"index:{index.name}"
        for index in table.indexes
        if not names.isdisjoint([*(element.column for element in index.elements), *index.include])
    }
    rest = table.model_copy(update={"columns": tuple(column for column in table.columns if column.name not in names)})
    return without_elements(rest, [Finding(table.id, element, "") for element in clouded])


class Place(NamedTuple):
    """Where Postgres stumbled: the element, its form, and the character from 1; at the end where it just stops."""

    element: str
    form: str
    at: int
    is_end: bool


class Statement:
    """SQL in the making that remembers where each expression, or type of a column, begins."""

    def __init__(self) -> None:
        self.sql = ""
        self._authored: list[tuple[int, int, str, str]] = []

    def add(self, sql: str) -> Statement:
        """Append our own SQL."""
        self.sql += sql
        return self

    def add_authored(self, text: str, element: str, form: str) -> Statement:
        """Append an author's text as it stands."""
        self._authored.append((len(self.sql), len(text), element, form))
        self.sql += text
        return self

    def located(self, position: int | None) -> Place | None:
        """Return the place within an author's text, or None where it is our own SQL.

        The character after the text belongs to it: there Postgres notices that something is missing.
        """
        for start, length, element, form in self._authored:
            if position is not None and start < position <= start + length + 1:
                return Place(element, form, position - start, is_end=position - start > length)
        return None


def parsed_table(table: Table, expressions: Iterable[Expression]) -> Statement:
    """Return a CREATE TABLE of bare columns that parses each expression as a check, named by its number.

    The session's temporary schema is the one place every login has, as long as TEMPORARY on the database is not
    revoked. The table has its real name there, for expressions may qualify columns by it.
    """
    statement = Statement().add(f"CREATE TABLE pg_temp.{quote_identifier(table.name)} (")
    for at, column in enumerate(table.columns):
        statement.add(f"{', ' if at else ''}{quote_identifier(column.name)} ")
        statement.add_authored(column.type, f"type:{column.name}", "type")
    for at, expression in enumerate(expressions):
        _add_parsed(statement.add(f', CONSTRAINT "{at}" '), expression)
    return statement.add(")")


def _add_parsed(statement: Statement, expression: Expression) -> None:
    """Append `CHECK (…)`: the one place where Postgres parses an expression over a row without ever running it.

    CREATE TABLE stores a check as it was parsed, not planned, so that no function is called, not even an immutable one
    with constant arguments. A value is made a condition by IS NULL, after the cast to its column's type.
    """
    match expression.form:
        case "check" | "where":
            opening, closing = "CHECK (", ")"
        case "key":
            opening, closing = "CHECK ((", ") IS NULL)"
        case "default" | "generated":
            type_name = expression.column.type if expression.column else ""
            opening, closing = "CHECK (CAST((", f") AS {type_name}) IS NULL)"
        case never:
            assert_never(never)
    statement.add(opening).add_authored(expression.text, expression.element, expression.form).add(closing)


def only_expression_of(kept: Column | None, columns: Iterable[Column]) -> tuple[Column, ...]:
    """Return the columns with the expression of one; the other generated ones stay generated, but from nothing."""
    return tuple(
        column
        if column is kept
        else column.model_copy(update={"default": None, "generated": "NULL" if column.generated is not None else None})
        for column in columns
    )


def shaped_table(table: Table, columns: Iterable[Column]) -> Statement:
    """Return a CREATE TABLE of these columns with their defaults and generated values."""
    statement = Statement().add(f"CREATE TABLE pg_temp.{quote_identifier(table.name)} (")
    for at, column in enumerate(columns):
        statement.add(f"{', ' if at else ''}{quote_identifier(column.name)} {column.type}")
        if column.generated is not None:
            statement.add(" GENERATED ALWAYS AS (")
            statement.add_authored(column.generated, f"generated:{column.name}", "generated").add(") STORED")
        elif column.default is not None:
            statement.add(" DEFAULT (").add_authored(column.default, f"default:{column.name}", "default").add(")")
    return statement.add(")")


def add_index(statement: Statement, table: Table, index: Index) -> None:
    """Append a CREATE INDEX on the scratch table."""
    element_name = f"index:{index.name}"
    statement.add(f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {quote_identifier(index.name)} ")
    statement.add(f"ON pg_temp.{quote_identifier(table.name)} USING {quote_identifier(index.method)} (")
    for at, element in enumerate(index.elements):
        statement.add(", " if at else "")
        if element.expression is None:
            statement.add(quote_identifier(element.column or ""))
        else:
            statement.add("(").add_authored(element.expression, element_name, "key").add(")")
        if element.operator_class is not None:
            statement.add(f" {operator_class(element.operator_class)}")
    statement.add(")")
    if index.include:
        statement.add(f" INCLUDE ({column_list(index.include)})")
    if index.nulls_not_distinct:
        statement.add(" NULLS NOT DISTINCT")
    if index.where is not None:
        statement.add(" WHERE (").add_authored(index.where, element_name, "where").add(")")


_NOT_THE_AUTHORS = ("08", "25", "40", "53", "55", "57", "58", "XX001", "XX002")
"""SQLSTATE classes that say something of the server or the session: connection, transaction, conflict, resources,
locks, operators, system, corruption. All others are the SQL's own doing, also XX000: some functions of pg_catalog raise
it at arguments they do not expect, and one author's expression must not keep the plan from all others."""

_HINTS = {
    "42703": "an expression sees the columns of its own table only",
    "42883": "functions and operators outside pg_catalog are written with their schema, and arguments may need a cast",
    "42704": "types and collations outside pg_catalog are written with their schema",
}


_SYNTAX_ERROR = "42601"


def is_authors_fault(error: DBAPIError) -> bool:
    """Whether Postgres refused the SQL, rather than failed at it."""
    sqlstate = error.orig.sqlstate if isinstance(error.orig, psycopg.Error) else None
    return sqlstate is not None and not sqlstate.startswith(_NOT_THE_AUTHORS)


def finding(error: DBAPIError, statement: Statement, table: ObjectId, element: str, form: str) -> Finding:
    """Return Postgres's complaint with its position in the author's text; `element` where it gives no position."""
    original = error.orig
    assert isinstance(original, psycopg.Error)  # noqa: S101 - is_authors_fault() said so
    position = original.diag.statement_position
    located = statement.located(int(position) if position else None)
    message = original.diag.message_primary or str(original)
    remarks = [original.diag.message_detail]
    if located is not None:
        element, form = located.element, located.form
        remarks = [f"at character {located.at}", _HINTS.get(original.sqlstate or ""), *remarks]
        if located.is_end and original.sqlstate == _SYNTAX_ERROR:
            message = "syntax error: something is missing at the end"
    message = _reworded(message, form)
    told = "; ".join(remark for remark in remarks if remark)
    return Finding(table, element, f"{message} ({told})" if told else message)


def _reworded(message: str, form: str) -> str:
    """Leave out what is true of the scratch shape only: there, every expression is a check."""
    if form == "check":
        return message
    return re.sub(r"in check constraints?\b", "here", message).replace("argument of CHECK", "argument of WHERE")
