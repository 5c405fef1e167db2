"""Generated pages and drawings are what their generators give."""

import runpy
from pathlib import Path
from xml.etree import ElementTree

from docs._erd import diagrams

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_reasons_is_up_to_date() -> None:
    render = runpy.run_path(str(DOCS / "_reasons.py"))["render"]

    assert (DOCS / "reasons.md").read_text() == render(), "run: just generate"


def test_the_diagrams_are_up_to_date() -> None:
    drawn = diagrams()

    assert {file.stem for file in drawn} == {"choosing", "simple", "append-only", "eav"}
    for file, drawing in drawn.items():
        assert file.read_text() == drawing, "run: just generate"
        ElementTree.fromstring(drawing)
