"""An author's text is accepted as an expression only if nothing in it can reach beyond its own parentheses."""

import pytest

from pgcraft_core.sql.expressions import ExpressionError, qualifiers, require_single_expression


@pytest.mark.parametrize(
    "text",
    [
        "elevation > -1500",
        "icao || ' ' || country",
        "'it''s; -- not a comment /* nor this */ )'",
        r"E'a\'b)' = x",
        "E'a'\n  'b\\')'",
        r"'a\' = x",
        "'a'\n'b''c)'",
        "B'01' = X'1F'",
        "U&'d\\0061t)a'",
        "N'x)'",
        "$$a ) ; -- ' $$ = b",
        "$tag$ $$ $other$ ) $tag$",
        "$a$ $ $b$$a$",
        '"a ) column"" ;" > 3',
        "a[1:2] = array[1, 2]",
        "(a, b) = (c, d)",
        "coalesce(a, b)::numeric(10, 2) > 1e-3",
        "j ->> 'x' <> '' and j @> '{}'",
        "a - -1 = a * 2 / 3",
        "ünïcödé = 'é'",
        "a\n\t= 1",
    ],
)
def test_an_expression_is_accepted(text: str) -> None:
    require_single_expression(text)


@pytest.mark.parametrize(
    ("text", "position", "says"),
    [
        ("", 1, "empty"),
        (" \n\t", 1, "empty"),
        ("a > 1; drop table x", 6, "not a statement"),
        ("a > 1) or (true", 6, "closes what the expression did not open"),
        ("a[1)]", 4, "closes what the expression did not open"),
        ("(a > 1", 1, "never closed"),
        ("f((a)", 2, "never closed"),
        ("a > 1 -- x", 7, "comment"),
        ("a > 1 /* x */", 7, "comment"),
        ("a --1", 3, "comment"),
        ("a >/* b", 4, "comment"),
        ("a = 'x", 5, "never closed"),
        (r"a = E'x\'", 6, "never closed"),
        ('a = "x', 5, "never closed"),
        ("$$x$", 1, "never closed"),
        ("$tag$ x $TAG$", 1, "never closed"),
        ("$1 > 2", 1, "no parameters"),
        ("a$$b", 2, "ambiguous"),
        ("1_000$$'$$) ; drop table x; --'", 6, "ambiguous"),
        ("a\x00b", 2, "NUL"),
        ("a, b", 2, "not a list"),
        ("a\x0b> 1", 2, "means nothing"),
        ("a \\ b", 3, "means nothing"),
        ("{a}", 1, "means nothing"),
        ('U&"\\0061" > 1', 1, "Unicode escapes"),
    ],
)
def test_anything_else_is_refused_with_its_position(text: str, position: int, says: str) -> None:
    with pytest.raises(ExpressionError) as refused:
        require_single_expression(text)
    assert refused.value.position == position
    assert says in refused.value.message


def test_a_line_break_between_strings_keeps_the_escapes_of_the_first() -> None:
    """Postgres reads `E'a'` and, on the next line, `'\\''…` as one string: the backslash still escapes."""
    require_single_expression("E'a'\n'\\') -- '")
    with pytest.raises(ExpressionError):
        require_single_expression("'a'\n'\\') -- '")


def test_names_before_a_dot_are_found_as_postgres_folds_them() -> None:
    assert qualifiers('Geo.f(a."B".c) > 1.5 and \'x.y\' = "Q q" . z::pg_catalog.text') == {
        "geo": 1,
        "a": 7,
        "B": 9,
        "Q q": 34,
        "pg_catalog": 45,
    }
