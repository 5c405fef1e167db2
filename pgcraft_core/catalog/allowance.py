"""What a dimension's expressions and columns may use, decided by OID."""

from __future__ import annotations

from dataclasses import dataclass, field

from pgcraft_core.sql.functions import AllowedFunction, allowed_function

TRUSTED_FUNCTIONS = frozenset(
    """
    age array_sample array_shuffle array_to_json array_to_string anytextcat textanycat clock_timestamp concat concat_ws
    convert convert_from convert_to current_database date date_add date_cmp_timestamptz date_eq_timestamptz
    date_ge_timestamptz date_gt_timestamptz date_le_timestamptz date_lt_timestamptz date_ne_timestamptz date_part
    date_subtract date_trunc enum_first enum_last enum_range extract format gen_random_uuid in_range
    interval_pl_timestamptz json_build_array json_build_object json_to_tsvector jsonb_build_array jsonb_build_object
    jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_array_tz jsonb_path_query_first_tz jsonb_to_tsvector
    length make_timestamptz money now numeric overlaps phraseto_tsquery plainto_tsquery quote_literal quote_nullable
    random random_normal row_to_json statement_timestamp time timeofday timestamp timestamp_cmp_timestamptz
    timestamp_eq_timestamptz timestamp_ge_timestamptz timestamp_gt_timestamptz timestamp_le_timestamptz
    timestamp_lt_timestamptz timestamp_ne_timestamptz timestamptz timestamptz_cmp_date timestamptz_cmp_timestamp
    timestamptz_eq_date timestamptz_eq_timestamp timestamptz_ge_date timestamptz_ge_timestamp timestamptz_gt_date
    timestamptz_gt_timestamp timestamptz_le_date timestamptz_le_timestamp timestamptz_lt_date timestamptz_lt_timestamp
    timestamptz_mi_interval timestamptz_ne_date timestamptz_ne_timestamp timestamptz_pl_interval timetz timezone to_char
    to_date to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector transaction_timestamp ts_headline ts_match_tq
    ts_match_tt uuidv4 uuidv7 websearch_to_tsquery
    """.split()  # noqa: SIM905 - a word list
)
"""Functions of pg_catalog that are not immutable, yet only depend on clock, chance or the session's settings of format,
language and time zone, and change nothing. Absent on purpose are those that read or set anything else: settings, files,
large objects, sequences, catalogs, privileges, queries in strings, locks, sleep, the generator's seed."""

DENIED_FUNCTIONS = frozenset(
    """
    acldefault aclinsert aclremove makeaclitem
    pg_partition_root satisfies_hash_partition
    pg_visible_in_snapshot txid_visible_in_snapshot
    pg_walfile_name pg_walfile_name_offset pg_indexam_progress_phasename
    """.split()  # noqa: SIM905 - a word list
)
"""Functions of pg_catalog that call themselves immutable and are not about values: they make access lists, open
relations by OID, or read the server's transaction and WAL state."""

NAMING_TYPES = frozenset(
    """regclass regcollation regnamespace regoper regoperator regproc regprocedure regrole regtype""".split()  # noqa: SIM905
)
"""Types whose values name objects of the database: reading a constant looks the object up. regconfig and regdictionary
are not among them, for full-text search cannot be written without."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one author was given: schemas whose types may be used, declared extensions, and functions by name.

    A function is written `schema.name`, for all of that name, or `schema.name(type, type)`.
    """

    schemas: frozenset[str] = frozenset()
    extensions: frozenset[str] = frozenset()
    functions: tuple[str, ...] = ()
    allowed: tuple[AllowedFunction, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """Parse the functions. Raises ValueError on one that is not written as described."""
        object.__setattr__(self, "allowed", tuple(allowed_function(text) for text in self.functions))

    def permits(self, schema: str, name: str, argument_types: tuple[str, ...]) -> bool:
        """Whether the function was allowed by name; argument types as `format_type` spells them."""
        return any(
            (function.schema, function.name) == (schema, name) and function.argument_types in (None, argument_types)
            for function in self.allowed
        )
