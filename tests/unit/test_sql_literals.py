"""A string constant says the same whatever the session that reads it is set to."""

from __future__ import annotations

import pytest

from pgcraft_core.sql.literals import quote_literal


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("plain", "'plain'"),
        ("", "''"),
        ("it's", "'it''s'"),
        (r"a\b", r"E'a\\b'"),
        (r"\'/*", r"E'\\''/*'"),
        ("line\nbreak", "'line\nbreak'"),
    ],
)
def test_quotes_are_doubled_and_backslashes_escaped(text: str, literal: str) -> None:
    assert quote_literal(text) == literal


def test_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        quote_literal("a\x00b")
