"""Refuse a rename that would do nothing, since a column of the new name is there beside the former."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pgcraft_core.catalog.registry import Registry
from pgcraft_core.diagnostics import Diagnostic
from pgcraft_core.plan.diff_column import find_renames
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.unit import Claimant, Unit


def refuse_ignored_renames(units: Sequence[Unit], registry: Registry) -> Mapping[Claimant, Sequence[Diagnostic]]:
    """Return for each resource which of its columns would not be renamed, and why.

    A rename that was done is none of them, though it stays in the manifest: the former name is gone, or is by now that
    of another column that was renamed to it.
    """
    findings: dict[Claimant, list[Diagnostic]] = {}
    for unit in units:
        for item in unit.objects:
            entry = registry.entries.get(item.id)
            if isinstance(item, Table) and entry is not None and isinstance(entry.object, Table):
                for found in _ignored(entry.object, item):
                    if found not in findings.setdefault(unit.claimant, []):  # the past repeats the columns
                        findings[unit.claimant].append(found)
    return {claimant: found for claimant, found in findings.items() if found}


def _ignored(applied: Table, desired: Table) -> Iterator[Diagnostic]:
    former = {column.name: column.renamed_from for column in desired.columns if column.renamed_from is not None}
    done = find_renames(applied, desired)
    for after, before in former.items():
        if before in done or applied.column(before) is None or applied.column(after) is None:
            continue
        path = f"spec.columns[{after}].renamedFrom"
        if desired.column(before) is None:
            sentence = (
                f"nothing is renamed, since columns {before} and {after} are both there; leave renamedFrom out, or "
            )
            yield Diagnostic(path, f"{sentence}choose a name that is free")
        elif _comes_back(after, former):
            sentence = (
                f"nothing is renamed, since {before} would take its name in turn; rename one to a third name first"
            )
            yield Diagnostic(path, sentence)


def _comes_back(name: str, former: Mapping[str, str]) -> bool:
    """Whether following former names from a column leads to it again."""
    seen: set[str] = set()
    at = former.get(name)
    while at is not None and at != name and at not in seen:
        seen.add(at)
        at = former.get(at)
    return at == name
