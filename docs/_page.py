"""The blocks of a page that are run: what is declared, what the plan shows, what a user types and what comes back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

FOLDER = Path(__file__).parent
PAGES = (FOLDER / "choosing.md", *sorted((FOLDER / "dimensions").glob("*.md")))

WAREHOUSE = {
    "apiVersion": "pgcraft.io/v1alpha1",
    "kind": "Database",
    "metadata": {"name": "warehouse", "namespace": "platform"},
    "spec": {
        "connection": {"secretRef": {"name": "warehouse"}},
        "allowedNamespaces": [{"namespace": "team-geo", "schemas": ["geo", "api"], "roles": ["web_anon", "editor"]}],
    },
}
"""The Database that the pages' dimensions name."""

_BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?\+00(:00)?")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `answer` is the text of the block that follows it, where nothing stands between the two."""

    language: str
    text: str
    answer: str | None = None


def read_blocks(page: str) -> tuple[Block, ...]:
    """Return the blocks in order; one whose fence says `text` or `json` is the answer to the one right above it."""
    blocks: list[Block] = []
    end = 0
    for found in _BLOCK.finditer(page):
        block = Block(found["language"], found["text"].rstrip())
        if block.language in {"text", "json"} and blocks and not page[end : found.start()].strip():
            blocks[-1] = replace(blocks[-1], answer=block.text)
        else:
            blocks.append(block)
        end = found.end()
    return tuple(blocks)


def split_statements(text: str) -> Iterator[str]:
    r"""Yield what psql would send at once: up to a semicolon or `\gset` at the end of a line.

    Raises:
        ValueError: the last statement does not end.
    """
    lines: list[str] = []
    for line in text.splitlines():
        lines.append(line)
        if line.rstrip().endswith((";", "\\gset")):
            yield "\n".join(lines).strip()
            lines = []
    if "".join(lines).strip():
        raise ValueError(f"not ended: {lines}")


def align(names: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool]) -> str:
    """Return a table as psql prints it: null is nothing, numbers stand right."""
    cells = [list(names), *(list(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    lines = [" | ".join(name.center(width) for name, width in zip(names, widths, strict=True))]
    for row in cells[1:]:
        parts = zip(row, widths, numeric, strict=True)
        lines.append(" | ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in parts))
    lines = [f" {line}".rstrip() for line in lines]
    lines.insert(1, "+".join("-" * (width + 2) for width in widths))
    count = len(cells) - 1
    return "\n".join([*lines, f"({count} row{'' if count == 1 else 's'})"])


def find_instants(text: str) -> set[str]:
    """Return the instants a text tells, in one spelling."""
    return {_spell(found) for found in _INSTANT.finditer(text)}


def compare_form(text: str, instants: Iterable[str]) -> str:
    """Return the text as it is compared: instants by their place among all of the page, without the layout.

    A page tells the time of the day it was written; what is true at any time is which instants are the same, and
    which comes first.
    """
    places = {instant: place for place, instant in enumerate(sorted(instants))}
    text = _INSTANT.sub(lambda found: f"<instant {places[_spell(found)]}>", text)
    text = re.sub(r"^[ -]+(\+[ -]+)*$", lambda found: re.sub(r"[- ]+", "-", found[0]), text, flags=re.MULTILINE)
    return "\n".join(re.sub(r"\s+", " ", line).strip() for line in text.splitlines())


def _spell(found: re.Match[str]) -> str:
    """Return an instant such that spellings sort by time."""
    fraction = (found[1] or ".").ljust(7, "0")
    return found[0][:19].replace("T", " ") + fraction
