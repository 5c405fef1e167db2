"""Type names: what is accepted becomes Postgres's spelling, everything else is refused where it goes wrong."""

import pytest

from pgcraft_core.sql.types import TypeNameError, canonical_type, operator_class

SPELLINGS = {
    "int": "integer",
    "INT4": "integer",
    "int8[]": "bigint[]",
    "bool": "boolean",
    "float": "double precision",
    "float(24)": "real",
    "float(25)": "double precision",
    "double\n  precision": "double precision",
    "dec": "numeric",
    "decimal(10)": "numeric(10,0)",
    "numeric( 10 , -2 )": "numeric(10,-2)",
    "varchar": "character varying",
    "varchar(4)": "character varying(4)",
    "character varying (4) []": "character varying(4)[]",
    "national character varying(7)": "character varying(7)",
    "national char": "character(1)",
    "nchar(3)": "character(3)",
    "char": "character(1)",
    '"char"': '"char"',
    "bpchar": "bpchar",
    "bpchar(5)": "character(5)",
    "bit": "bit(1)",
    '"bit"': '"bit"',
    "bit varying(8)": "bit varying(8)",
    "varbit": "bit varying",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "timestamp(3) with time zone": "timestamp(3) with time zone",
    "timetz(2)": "time(2) with time zone",
    "time without time zone": "time without time zone",
    "interval": "interval",
    "interval(3)": "interval(3)",
    "interval year to month": "interval year to month",
    "interval day to second(3)": "interval day to second(3)",
    "text[3][4]": "text[]",
    "text array[3]": "text[]",
    "text array": "text[]",
    "pg_catalog.int4": "integer",
    "pg_catalog.varchar(4)": "character varying(4)",
    "Geo.Mood": "geo.mood",
    'geo."My Type"(3)': 'geo."My Type"(3)',
    '"Über".straße': '"Über"."straße"',
    "public.geometry(Point, 4326)[]": "public.geometry(Point,4326)[]",
    "json": "json",
    "int4range": "int4range",
    '"user"': '"user"',
    'geo."a""b"': 'geo."a""b"',
}


@pytest.mark.parametrize(("written", "canonical"), SPELLINGS.items())
def test_a_type_name_becomes_the_spelling_of_postgres(written: str, canonical: str) -> None:
    assert canonical_type(written) == canonical


@pytest.mark.parametrize("canonical", sorted(set(SPELLINGS.values())))
def test_a_canonical_name_stays_as_it_is(canonical: str) -> None:
    assert canonical_type(canonical) == canonical


@pytest.mark.parametrize(
    ("written", "position", "says"),
    [
        ("", 1, "a type name is needed"),
        ("  ", 1, "a type name is needed"),
        ("text; drop table x", 5, "stands here alone"),
        ("text -- comment", 6, "stands here alone"),
        ("text /* */", 6, "stands here alone"),
        ("text 'x'", 6, "stands here alone"),
        ('text collate "C"', 6, "does not belong"),
        ("text not null", 6, "does not belong"),
        ("a%type", 2, "stands here alone"),
        ("setof int", 1, "use an array type"),
        ("serial", 1, "primaryKey.strategy Identity"),
        ('"bigserial"', 1, "primaryKey.strategy Identity"),
        ("user", 1, "double quotes"),
        ("a.b.c", 4, "at most a schema"),
        ("int(3)", 4, "does not belong"),
        ("text(3)", 5, "leave the parentheses out"),
        ("_int4", 1, "write int4[]"),
        ("text[", 6, "']' is missing"),
        ("text[-1]", 6, "']' is missing"),
        ("text array[]", 12, "size of the array is missing"),
        ("varchar(0)", 9, "between 1 and 10485760"),
        ("varchar(a)", 9, "whole number"),
        ("varchar(1,2)", 11, "takes one number"),
        ("numeric(1,2,3)", 13, "no more"),
        ("numeric(1001)", 9, "between 1 and 1000"),
        ("timestamp(7)", 11, "between 0 and 6"),
        ("timestamp with", 15, "'time zone' is missing"),
        ("double", 7, "'precision' is missing"),
        ("interval month to year", 19, "does not reach"),
        ('"never closed', 1, "stands here alone"),
        ('""', 1, "stands here alone"),
        ("x" * 64, 1, "longer than 63 bytes"),
        ("geo.", 5, "missing after the '.'"),
        ("1st", 1, "cannot begin"),
        ("te\x00xt", 3, "stands here alone"),
    ],
)
def test_anything_else_is_refused_with_its_position_and_a_way_out(written: str, position: int, says: str) -> None:
    with pytest.raises(TypeNameError) as refused:
        canonical_type(written)
    assert refused.value.position == position
    assert says in refused.value.message


@pytest.mark.parametrize(
    ("written", "sql"), [("text_pattern_ops", "text_pattern_ops"), ('Ext."My Ops"', 'ext."My Ops"'), ("left", '"left"')]
)
def test_an_operator_class_is_quoted_part_by_part(written: str, sql: str) -> None:
    assert operator_class(written) == sql


@pytest.mark.parametrize("written", ["", "a.b.c", "text_ops (x = 1)", "a) where (true", "a;", "1"])
def test_anything_else_is_no_operator_class(written: str) -> None:
    with pytest.raises(TypeNameError):
        operator_class(written)
