"""Generated pages are what their generators give."""

import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_reasons_is_up_to_date() -> None:
    render = runpy.run_path(str(DOCS / "_reasons.py"))["render"]

    assert (DOCS / "reasons.md").read_text() == render(), "run: just generate"
