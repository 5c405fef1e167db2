"""Identifiers are quoted where needed and derived names always fit."""

import pytest

from pgcraft_core.sql.identifiers import (
    check_name,
    column_list,
    foreign_key_name,
    named,
    primary_key_name,
    qualify,
    quote_identifier,
    unique_name,
)


@pytest.mark.parametrize(
    ("name", "quoted"),
    [
        ("airports", "airports"),
        ("_a1", "_a1"),
        ("1a", '"1a"'),
        ("Airports", '"Airports"'),
        ("user", '"user"'),
        ("int", '"int"'),
        ("left", '"left"'),
        ("name", "name"),  # unreserved
        ("a b", '"a b"'),
        ('a"b', '"a""b"'),
        ("a$b", '"a$b"'),
        ("é", '"é"'),
        ("new\nline", '"new\nline"'),
        ("trailing\n", '"trailing\n"'),
        ("x" * 63, "x" * 63),
    ],
)
def test_a_name_is_quoted_only_where_needed(name: str, quoted: str) -> None:
    assert quote_identifier(name) == quoted


@pytest.mark.parametrize("name", ["", "a\x00b", "x" * 64, "é" * 32, "\ud800"])
def test_what_postgres_cannot_store_is_refused(name: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the lone surrogate's message is Python's own
        quote_identifier(name)


def test_lists_and_qualified_names_quote_each_part() -> None:
    assert qualify("public", "Order") == 'public."Order"'
    assert column_list(["id", "order", "a b"]) == 'id, "order", "a b"'


def test_derived_names_follow_the_conventions_of_postgres() -> None:
    assert primary_key_name("airports") == "airports_pkey"
    assert unique_name("airports", "icao") == "airports_icao_key"
    assert unique_name("airports", "icao", "iata") == "airports_icao_iata_key"
    assert check_name("airports", "elevation") == "airports_elevation_check"
    assert foreign_key_name("airports", "country") == "airports_country_fkey"
    assert named("airports", "sane") == "airports_sane"


@pytest.mark.parametrize("table", ["t" * 63, "é" * 31, "€" * 21, "𝄞" * 15 + "abc"])
def test_a_long_derived_name_fits_and_stays_distinct(table: str) -> None:
    names = {unique_name(table, column) for column in ("a", "b")} | {primary_key_name(table), named(table, "c")}
    assert len(names) == 4
    assert all(len(name.encode()) <= 63 for name in names)
    assert all(quote_identifier(name) for name in names)


def test_a_derived_name_of_exactly_63_bytes_is_left_whole() -> None:
    assert primary_key_name("t" * 58) == "t" * 58 + "_pkey"
    assert primary_key_name("t" * 59) != "t" * 59 + "_pkey"
