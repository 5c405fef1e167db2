"""Type names as authors write them, brought to the one form Postgres gives them (`format_type`)."""

from __future__ import annotations

from pgcraft_core.sql.identifiers import KEYWORDS, qualify, quote_identifier
from pgcraft_core.sql.type_reader import Token, TypeNameError, TypeReader

__all__ = ["TypeNameError", "canonical_type"]

_ALIASES = {
    "bool": "boolean",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "json": "json",
    "varchar": "character varying",
    "varbit": "bit varying",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
}
"""The SQL spelling of names in pg_type, where it is not just the name quoted as an identifier."""

_UNMODIFIED = frozenset(
    """bool bytea char cid cidr circle date float4 float8 inet int2 int4 int8 json jsonb jsonpath line lseg macaddr
    macaddr8 money name oid path point polygon box text tid tsquery tsvector txid_snapshot uuid xid xid8 xml
    """.split()  # noqa: SIM905 - a word list
)
"""Built-in types that take no modifier; Postgres would say so too, but without a position."""

_SIMPLE_KEYWORDS = {"int": "integer"} | {word: word for word in ("integer", "smallint", "bigint", "real", "boolean")}
_SERIAL = frozenset({"serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"})
_INTERVAL_FIELDS = {
    "year": ("month",),
    "month": (),
    "day": ("hour", "minute", "second"),
    "hour": ("minute", "second"),
    "minute": ("second",),
    "second": (),
}
_MAX_FRACTIONAL_DIGITS = 6
_MAX_CHARACTERS = 10_485_760
_MAX_BITS = 83_886_080
_MAX_DIGITS = 1000
_DOUBLE_FROM_BITS = 25
_MAX_FLOAT_BITS = 53


def canonical_type(text: str) -> str:
    """Return the type named by `text` as Postgres's `format_type` spells it under `search_path = pg_catalog`.

    Built-in types get their SQL spelling, all others keep their name, quoted where needed; modifiers of types that are
    not built in stay as written. Whether the type exists is for Postgres to say.

    Raises:
        TypeNameError: `text` is anything but one type name, or names a type that needs another declaration.
    """
    reader = TypeReader(text)
    if reader.peek().kind == "end":
        raise TypeNameError(1, "a type name is needed here, such as text or numeric(10, 2)")
    canonical = read_type(reader)
    reader.end()
    return canonical


def read_type(reader: TypeReader) -> str:
    """Read one type name, array suffix included, and return its canonical form; what follows it is left unread."""
    element = _element_type(reader)
    return element + ("[]" if _array_suffix(reader) else "")


def operator_class(text: str) -> str:
    """Return an operator class, given as `name` or `schema.name`, as SQL. Raises TypeNameError on anything else."""
    schema, name = operator_class_name(text)
    return quote_identifier(name) if schema is None else qualify(schema, name)


def operator_class_name(text: str) -> tuple[str | None, str]:
    """Return schema, None where there is none, and name of an operator class.

    Raises:
        TypeNameError: the text is anything else, also where it gives parameters.
    """
    reader = TypeReader(text)
    schema, name = None, reader.name("an operator class")
    if reader.accept(".", kind="mark"):
        schema, name = name, reader.name("the operator class")
    reader.end()
    return schema, name


def _element_type(reader: TypeReader) -> str:
    """Read a type without array suffix: one of the grammar's own words, or a possibly qualified name."""
    first = reader.next()
    if reader.at_mark("."):
        return _qualified_type(reader, first)
    if first.kind == "quoted":
        return _system_type(reader, first)
    if first.kind != "word":
        reader.refuse(f"a type name cannot begin with {first.written!r}", first)
    if first.text == "setof":
        reader.refuse("a column holds one value, not a set; use an array type", first)
    keyword_type = _keyword_type(reader, first.text)
    if keyword_type is not None:
        return keyword_type
    if first.text in KEYWORDS and first.text != "json":
        reader.refuse(f"{first.written!r} is a keyword; a type of that name is written in double quotes", first)
    return _system_type(reader, first)


def _qualified_type(reader: TypeReader, schema: Token) -> str:
    if schema.kind not in ("word", "quoted"):
        reader.refuse(f"a type name cannot begin with {schema.written!r}", schema)
    reader.expect(".", kind="mark")
    name = reader.next()
    if name.kind not in ("word", "quoted"):
        reader.refuse("a type name is missing after the '.'", name)
    if reader.at_mark("."):
        reader.refuse("a type name has at most a schema before it")
    if schema.text == "pg_catalog":
        return _system_type(reader, name)
    modifiers = reader.raw_modifiers()
    return f"{quote_identifier(schema.text)}.{quote_identifier(name.text)}{modifiers}"


def _keyword_type(reader: TypeReader, word: str) -> str | None:  # noqa: PLR0911 - one case a word of the grammar
    """Read what follows a word that the grammar knows as a type, or return None where it knows none."""
    match word:
        case word if word in _SIMPLE_KEYWORDS:
            return _SIMPLE_KEYWORDS[word]
        case "double":
            reader.expect("precision")
            return "double precision"
        case "float":
            bits = reader.single_number("float", 1, _MAX_FLOAT_BITS)
            return "real" if bits is not None and bits < _DOUBLE_FROM_BITS else "double precision"
        case "decimal" | "dec" | "numeric":
            return _numeric(reader)
        case "bit":
            varying = reader.accept("varying")
            length = reader.single_number("bit", 1, _MAX_BITS)
            return f"bit varying{_parenthesised(length)}" if varying else f"bit({length or 1})"
        case "national" | "character" | "char" | "nchar":
            return _character(reader, word)
        case "varchar":
            return "character varying" + _parenthesised(reader.single_number("varchar", 1, _MAX_CHARACTERS))
        case "time" | "timestamp":
            return _datetime(reader, word)
        case "interval":
            return _interval(reader)
        case _:
            return None


def _system_type(reader: TypeReader, name: Token) -> str:
    """Read what follows the pg_type name of a built-in type, or a name that only Postgres can resolve."""
    if name.text in _SERIAL:
        advice = "use an integer type, or primaryKey.strategy Identity"
        reader.refuse(f"{name.text} is no type but a sequence and a default; {advice}", name)
    if name.text.startswith("_"):
        advice = f"write {name.text[1:]}[]"
        reader.refuse(f"{name.text!r} is Postgres's own name of an array type; {advice}", name)
    if name.text in _UNMODIFIED or (name.text == "interval" and reader.at_mark("(")):
        if reader.at_mark("("):
            reader.refuse(f"{name.written} takes no modifier here; leave the parentheses out")
        return _ALIASES.get(name.text) or quote_identifier(name.text)
    return _modifiable_system_type(reader, name.text)


def _modifiable_system_type(reader: TypeReader, name: str) -> str:
    """Read the modifiers of a type by its pg_type name, whose defaults are not those of the SQL spelling."""
    match name:
        case "varchar" | "varbit":
            most = _MAX_CHARACTERS if name == "varchar" else _MAX_BITS
            return _ALIASES[name] + _parenthesised(reader.single_number(name, 1, most))
        case "bpchar":
            length = reader.single_number("bpchar", 1, _MAX_CHARACTERS)
            return "bpchar" if length is None else f"character({length})"
        case "bit":
            length = reader.single_number("bit", 1, _MAX_BITS)
            return '"bit"' if length is None else f"bit({length})"
        case "numeric":
            return _numeric(reader)
        case "time" | "timetz" | "timestamp" | "timestamptz":
            kind, zone = _ALIASES[name].split(" ", 1)
            return f"{kind}{_parenthesised(_fractional_digits(reader, name))} {zone}"
        case "interval":
            return "interval"
        case _:
            return quote_identifier(name) + reader.raw_modifiers()


def _character(reader: TypeReader, word: str) -> str:
    if word == "national" and not reader.accept("character"):
        reader.expect("char")
    varying = reader.accept("varying")
    length = reader.single_number("character", 1, _MAX_CHARACTERS)
    return f"character varying{_parenthesised(length)}" if varying else f"character({length or 1})"


def _numeric(reader: TypeReader) -> str:
    numbers = reader.numbers()
    if not numbers:
        return "numeric"
    if len(numbers) > 2:
        reader.refuse("numeric takes a precision and a scale, no more", numbers[2][0])
    precision = reader.within(numbers[0], "the precision of numeric", 1, _MAX_DIGITS)
    scale = reader.within(numbers[1], "the scale of numeric", -_MAX_DIGITS, _MAX_DIGITS) if len(numbers) > 1 else 0
    return f"numeric({precision},{scale})"


def _datetime(reader: TypeReader, word: str) -> str:
    digits = _fractional_digits(reader, word)
    zone = "without time zone"
    if reader.accept("with"):
        reader.expect("time", "zone")
        zone = "with time zone"
    elif reader.accept("without"):
        reader.expect("time", "zone")
    return f"{word}{_parenthesised(digits)} {zone}"


def _interval(reader: TypeReader) -> str:
    if reader.at_mark("("):
        return "interval" + _parenthesised(_fractional_digits(reader, "interval"))
    first = reader.peek().text
    if reader.peek().kind != "word" or first not in _INTERVAL_FIELDS:
        return "interval"
    reader.next()
    fields, last = first, first
    if reader.accept("to"):
        end = reader.next()
        if end.kind != "word" or end.text not in _INTERVAL_FIELDS[first]:
            reader.refuse(f"an interval does not reach from {first} to {end.written!r}", end)
        fields, last = f"{first} to {end.text}", end.text
    digits = _fractional_digits(reader, "interval") if last == "second" else None
    return f"interval {fields}{_parenthesised(digits)}"


def _array_suffix(reader: TypeReader) -> bool:
    """Read array bounds, if there are any. Postgres keeps neither their number nor their size."""
    is_array = False
    if reader.accept("array"):
        is_array = True
        if reader.accept("[", kind="mark"):
            _array_bound(reader, required=True)
    else:
        while reader.accept("[", kind="mark"):
            is_array = True
            _array_bound(reader, required=False)
    return is_array


def _array_bound(reader: TypeReader, *, required: bool) -> None:
    token = reader.peek()
    if token.kind == "number" and not token.text.startswith("-"):
        reader.next()
    elif required:
        reader.refuse("the size of the array is missing")
    reader.expect("]", kind="mark")


def _fractional_digits(reader: TypeReader, type_name: str) -> int | None:
    return reader.single_number(type_name, 0, _MAX_FRACTIONAL_DIGITS)


def _parenthesised(number: int | None) -> str:
    return "" if number is None else f"({number})"
