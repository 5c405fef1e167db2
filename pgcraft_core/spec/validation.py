"""Says all that is wrong with one resource by itself, without a cluster or a database."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.spec.base import Resource
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension, DimensionSpec, Target
from pgcraft_core.spec.dimension_type import added_columns
from pgcraft_core.spec.violations import find_violations
from pgcraft_core.sql.functions import allowed_function

MOST_INDEX_COLUMNS = 32
MOST_TABLE_COLUMNS = 1600


def validate(resource: Resource) -> list[Diagnostic]:
    """Return everything wrong with `resource`, each with its path; empty where nothing is.

    What the API server refuses by CEL is found as well, with the same sentences, and what CEL cannot see besides.
    """
    findings = [*find_violations(resource)]
    if isinstance(resource, Dimension):
        findings += [finding for check in DIMENSION_CHECKS for finding in check(resource)]
    if isinstance(resource, Database):
        findings += check_allowed_functions(resource)
    return findings


def check_allowed_functions(database: Database) -> Iterator[Diagnostic]:
    """Yield entries of `allowedFunctions` that name no function."""
    for number, text in enumerate(database.spec.allowed_functions):
        try:
            allowed_function(text)
        except ValueError as error:
            yield Diagnostic(f"spec.allowedFunctions[{number}]", str(error))


def check_key_columns(dimension: Dimension) -> Iterator[Diagnostic]:
    """Yield columns of a Natural key that are not declared."""
    key = dimension.spec.primary_key
    if key is not None and key.columns is not None:
        yield from _undeclared(dimension.spec, key.columns, "spec.primaryKey.columns")


def check_column_count(dimension: Dimension) -> Iterator[Diagnostic]:
    """Yield a finding where a table would have more columns than Postgres takes, counting those its type adds."""
    spec = dimension.spec
    added = added_columns(spec)
    count = len(spec.columns) + (spec.generated_key is not None) + added
    if count <= MOST_TABLE_COLUMNS:
        return
    way_out = {
        "EAV": "declare the attributes that are filtered by, and leave the others to open: true",
        "AppendOnly": "split it, or use the type EAV, which takes any number of attributes with open: true",
    }.get(spec.type, "split it over several dimensions, or use the type EAV with open: true")
    besides = f", {added} of them the type's own" if added else ""
    yield Diagnostic(
        "spec.columns",
        f"A table of Postgres has at most {MOST_TABLE_COLUMNS} columns, and this one would have {count}{besides}: "
        f"{way_out}.",
    )


def check_unique_columns(dimension: Dimension) -> Iterator[Diagnostic]:
    """Yield columns of unique constraints that are not declared."""
    for unique in dimension.spec.uniques:
        yield from _undeclared(dimension.spec, unique.columns, f"spec.uniques[{unique.name}].columns")


def check_foreign_key_columns(dimension: Dimension) -> Iterator[Diagnostic]:
    """Yield columns of foreign keys that are not declared, on either side where that is this dimension."""
    spec = dimension.spec
    for column in spec.columns:
        reference = column.references
        if reference is not None and reference.column is not None and _is_self(dimension, reference):
            yield from _undeclared(spec, (reference.column,), f"spec.columns[{column.name}].references.column")
    for key in spec.foreign_keys:
        path = f"spec.foreignKeys[{key.name}]"
        yield from _undeclared(spec, key.columns, f"{path}.columns")
        if key.references.columns is not None and _is_self(dimension, key.references):
            yield from _undeclared(spec, key.references.columns, f"{path}.references.columns")


def check_index_columns(dimension: Dimension) -> Iterator[Diagnostic]:
    """Yield columns of indexes that are not declared, and indexes of more columns than Postgres takes."""
    for index in dimension.spec.indexes:
        path = f"spec.indexes[{index.name}]"
        yield from _undeclared(dimension.spec, index.columns, f"{path}.columns")
        yield from _undeclared(dimension.spec, index.include, f"{path}.include")
        if len(index.columns) + len(index.expressions) + len(index.include) > MOST_INDEX_COLUMNS:
            yield Diagnostic(
                path, f"An index holds at most {MOST_INDEX_COLUMNS} columns, expressions and included columns in all."
            )


def check_operator_classes(dimension: Dimension) -> Iterator[Diagnostic]:
    """Yield operator classes of elements that their index does not have."""
    for index in dimension.spec.indexes:
        positions = range(len(index.columns) + len(index.expressions))
        elements = {*index.columns, *map(str, positions)}
        for element in index.operator_classes:
            if element not in elements:
                yield Diagnostic(
                    f"spec.indexes[{index.name}].operatorClasses[{element}]",
                    f"The index has no element {element!r}: name one of its columns, or a position counted from 0.",
                )


def check_renames(dimension: Dimension) -> Iterator[Diagnostic]:
    """Yield renames from a column that is still there, and several from the same column."""
    columns = dimension.spec.columns
    staying = {column.name for column in columns if column.renamed_from is None}
    renames = Counter(column.renamed_from for column in columns if column.renamed_from is not None)
    for column in columns:
        former = column.renamed_from
        path = f"spec.columns[{column.name}].renamedFrom"
        if former is None:
            continue
        if former in staying:
            yield Diagnostic(path, f"Column {former!r} is still declared: remove it, or leave renamedFrom out.")
        if renames[former] > 1:
            yield Diagnostic(path, f"More than one column is renamed from {former!r}; only one can be.")


DIMENSION_CHECKS: tuple[Callable[[Dimension], Iterable[Diagnostic]], ...] = (
    check_key_columns,
    check_column_count,
    check_unique_columns,
    check_foreign_key_columns,
    check_index_columns,
    check_operator_classes,
    check_renames,
)


def _undeclared(spec: DimensionSpec, names: Iterable[str], path: str) -> Iterator[Diagnostic]:
    declared = {column.name for column in spec.columns} | {spec.generated_key}
    for name in dict.fromkeys(names):
        if name not in declared:
            yield Diagnostic(
                f"{path}[{name}]", f"There is no column {name!r}: declare it in columns, or correct the name."
            )


def _is_self(dimension: Dimension, target: Target) -> bool:
    namespace = target.namespace or dimension.metadata.namespace
    return (target.dimension, namespace) == (dimension.metadata.name, dimension.metadata.namespace)
