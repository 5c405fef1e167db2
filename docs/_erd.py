"""Draw the diagrams of the pages from the objects their manifests become: `python docs/_erd.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import Literal

import yaml

from docs._page import PAGES, WAREHOUSE, read_blocks
from pgcraft_core.compile import CompileInput, compile_resources
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.objects import AnyObject
from pgcraft_core.schema.table import Table
from pgcraft_core.schema.view import View
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.load import load_resource

CHARACTER, LINE, PADDING = 7.3, 20, 10
COLUMN_GAP, BOX_GAP, MARGIN = 90, 34, 20
SERVER_VERSION = 180000
TODAY = date(2026, 1, 1)

SHORT_NAMES = {"timestamp with time zone": "timestamptz", "character varying": "varchar", "character(": "char("}

Kind = Literal["table", "past", "view", "function", "api"]
COLOURS: dict[Kind, str] = {
    "table": "#1f6f50",
    "past": "#8a5a00",
    "view": "#2d5c88",
    "function": "#5d4a8a",
    "api": "#55606b",
}
ARROW = (
    '<defs><marker id="to" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
    '<path d="M0 0 8 4 0 8z" fill="#60646c"/></marker></defs>'
)
STYLE = """
text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1c2024; }
.title { fill: #ffffff; font-weight: 600; }
.detail { fill: #60646c; }
.key { fill: #1f6f50; font-weight: 600; }
.edge { fill: none; stroke: #60646c; stroke-width: 1.4; }
.closes { stroke-dasharray: 6 4; }
"""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a box: a mark such as PK, a name, and what is to be known of it."""

    mark: str
    name: str
    detail: str


@dataclass(frozen=True, slots=True)
class Box:
    """A relation, or several functions: where it stands from left to right, and what it lists."""

    title: str
    kind: Kind
    rank: int
    rows: tuple[Row, ...]

    @property
    def marks(self) -> float:
        """Room for the marks."""
        return max((len(row.mark) for row in self.rows), default=0) * CHARACTER + (PADDING if self.has_marks else 0)

    @property
    def has_marks(self) -> bool:
        """Whether any line has one."""
        return any(row.mark for row in self.rows)

    @property
    def names(self) -> float:
        """Room for the names."""
        return max((len(row.name) for row in self.rows), default=0) * CHARACTER + PADDING

    @property
    def width(self) -> float:
        """In pixels."""
        details = max((len(row.detail) for row in self.rows), default=0) * CHARACTER
        return max(self.marks + self.names + details, len(self.title) * CHARACTER) + 2 * PADDING

    @property
    def height(self) -> float:
        """In pixels."""
        return LINE * (len(self.rows) + 1) + PADDING


@dataclass(frozen=True, slots=True)
class Edge:
    """A line from one box to another: a foreign key, or what ends there goes into the past (dashed)."""

    source: str
    target: str
    style: Literal["references", "closes"]
    row: int = -1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a box stands: its upper left corner."""

    x: float
    y: float


def load_objects(page: str) -> tuple[tuple[Dimension, ...], tuple[AnyObject, ...]]:
    """Return the dimensions of a page's first manifest block and the objects they become.

    Raises:
        ValueError: it holds anything else, or does not compile.
    """
    (manifest, *_) = (block.text for block in read_blocks(page) if block.language == "yaml")
    database, *loaded = [load_resource(document) for document in (WAREHOUSE, *yaml.safe_load_all(manifest))]
    dimensions = tuple(item for item in loaded if isinstance(item, Dimension))
    if not isinstance(database, Database) or len(dimensions) != len(loaded):
        raise ValueError(f"not all are resources, or not dimensions: {loaded}")
    given = CompileInput(database, "warehouse", dimensions, server_version=SERVER_VERSION, today=TODAY)
    objects: dict[object, AnyObject] = {}
    for unit in compile_resources(given):
        if unit.diagnostics:
            raise ValueError("; ".join(map(str, unit.diagnostics)))
        objects |= {item.id: item for item in unit.objects}
    return dimensions, tuple(objects.values())


def draw_boxes(dimensions: Sequence[Dimension], objects: Sequence[AnyObject]) -> Iterator[Box]:
    """Yield the boxes: tables, the tables of the past, views, functions, and what the API shows of all that."""
    schemas = {dimension.spec.schema_ for dimension in dimensions}
    current = {dimension.table_name for dimension in dimensions}
    tables = [item for item in objects if isinstance(item, Table)]
    for table in tables:
        kind, rank = ("table", 0) if table.name in current else ("past", 1)
        yield Box(str(table.qualified_name), kind, rank, tuple(_table_rows(table)))
    for view in (item for item in objects if isinstance(item, View) and item.schema_name in schemas):
        rows = tuple(Row("", column.name, "") for column in view.columns)
        yield Box(f"view {view.qualified_name}", "view", 2, rows)
    asked = [item for item in objects if isinstance(item, Function) and item.returns != "trigger"]
    if functions := [item for item in asked if item.schema_name in schemas]:
        rows = tuple(Row("", _call(item), "") for item in functions)
        yield Box(f"functions of {functions[0].schema_name}", "function", 2, rows)
    served = [item for item in objects if isinstance(item, View) and item.schema_name not in schemas]
    if served:
        rows = [Row("", item.name, "read and written" if _is_written(item) else "read only") for item in served]
        rows += [Row("", _call(item), "function") for item in asked if item.schema_name not in schemas]
        yield Box(f"schema {served[0].schema_name}", "api", 1, tuple(rows))


def draw_edges(dimensions: Sequence[Dimension], objects: Sequence[AnyObject]) -> Iterator[Edge]:
    """Yield the lines between boxes."""
    current = sorted((dimension.table_name for dimension in dimensions), key=len, reverse=True)
    tables = [item for item in objects if isinstance(item, Table)]
    for table in tables:
        for key in table.foreign_keys:
            row = [column.name for column in table.columns].index(key.columns[-1])
            yield Edge(str(table.qualified_name), str(key.target), "references", row)
        if table.name not in current:
            owner = next(name for name in current if table.name.startswith(name))
            yield Edge(f"{table.schema_name}.{owner}", str(table.qualified_name), "closes")


def place(boxes: Sequence[Box]) -> dict[str, Place]:
    """Stack the boxes of one rank, ranks from left to right."""
    places: dict[str, Place] = {}
    x: float = MARGIN
    for rank in sorted({box.rank for box in boxes}):
        stack = [box for box in boxes if box.rank == rank]
        y: float = MARGIN
        for box in stack:
            places[box.title] = Place(x, y)
            y += box.height + BOX_GAP
        x += max(box.width for box in stack) + COLUMN_GAP
    return places


def render(page: str) -> str:
    """Return the page's diagram as SVG."""
    dimensions, objects = load_objects(page)
    boxes = tuple(draw_boxes(dimensions, objects))
    places = place(boxes)
    by_title = {box.title: box for box in boxes}
    edges = [edge for edge in draw_edges(dimensions, objects) if edge.source in by_title and edge.target in by_title]
    width = max(places[box.title].x + box.width for box in boxes) + MARGIN
    height = max(places[box.title].y + box.height for box in boxes) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}">',
        f"<title>{escape(', '.join(by_title))}</title>",
        f"<style>{STYLE}</style>",
        ARROW,
        f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="#ffffff"/>',
        *(_path(edge, by_title, places) for edge in edges),
        *(line for box in boxes for line in _lines(box, places[box.title])),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _table_rows(table: Table) -> Iterator[Row]:
    keys = set(table.primary_key.columns) if table.primary_key else set()
    pointing = {column for key in table.foreign_keys for column in key.columns}
    for column in table.columns:
        marks = [mark for mark, names in (("PK", keys), ("FK", pointing)) if column.name in names]
        kind = _shorten(column.type)
        yield Row(" ".join(marks), column.name, f"{kind}, may be null" if column.nullable else kind)


def _call(function: Function) -> str:
    return f"{function.name}({', '.join(f'{item.name} {_shorten(item.type)}' for item in function.arguments)})"


def _is_written(view: View) -> bool:
    return any(set(grant.privileges) - {"SELECT"} for grant in view.grants)


def _shorten(type_name: str) -> str:
    """Return the name that people write."""
    for long, short in SHORT_NAMES.items():
        type_name = type_name.replace(long, short)
    return type_name


def _path(edge: Edge, boxes: dict[str, Box], places: dict[str, Place]) -> str:
    source, target = boxes[edge.source], boxes[edge.target]
    begin, end = places[edge.source], places[edge.target]
    y1 = begin.y + LINE * (edge.row + 1.5)
    y2 = end.y + LINE / 2
    if source.rank == target.rank:  # beside the stack, for nothing stands there
        x = begin.x + source.width
        x2 = end.x + target.width
        bend = max(x, x2) + 40
        d = f"M{x:.0f} {y1:.0f} C{bend:.0f} {y1:.0f} {bend:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    else:
        x, x2 = begin.x + source.width, end.x
        half = (x2 - x) / 2
        d = f"M{x:.0f} {y1:.0f} C{x + half:.0f} {y1:.0f} {x2 - half:.0f} {y2:.0f} {x2:.0f} {y2:.0f}"
    return f'<path class="edge {edge.style}" marker-end="url(#to)" d="{d}"/>'


def _lines(box: Box, at: Place) -> Iterable[str]:
    colour = COLOURS[box.kind]
    yield (
        f'<rect x="{at.x:.0f}" y="{at.y:.0f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="5" '
        f'fill="#ffffff" stroke="{colour}" stroke-width="1.4"/>'
    )
    yield f'<path d="M{at.x:.0f} {at.y + LINE:.0f}v-15q0-5 5-5h{box.width - 10:.0f}q5 0 5 5v15z" fill="{colour}"/>'
    yield f'<text class="title" x="{at.x + PADDING:.0f}" y="{at.y + 14:.0f}">{escape(box.title)}</text>'
    for number, row in enumerate(box.rows, 1):
        y = at.y + LINE * number + 17
        x = at.x + PADDING
        if row.mark:
            yield f'<text class="key" x="{x:.0f}" y="{y:.0f}">{row.mark}</text>'
        yield f'<text x="{x + box.marks:.0f}" y="{y:.0f}">{escape(row.name)}</text>'
        if row.detail:
            yield f'<text class="detail" x="{x + box.marks + box.names:.0f}" y="{y:.0f}">{escape(row.detail)}</text>'


def diagrams() -> dict[Path, str]:
    """Return the diagram of each page that has one, by its file beside the page."""
    pages = {page: page.read_text() for page in PAGES}
    return {page.with_suffix(".svg"): render(text) for page, text in pages.items() if f"({page.stem}.svg)" in text}


if __name__ == "__main__":
    for file, drawing in diagrams().items():
        file.write_text(drawing)
