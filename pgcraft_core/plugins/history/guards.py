"""What is refused to everybody: changing a key, truncating, and writing the past by hand."""

from __future__ import annotations

from pgcraft_core.plugins.history.backfill import backfill_in_body
from pgcraft_core.plugins.history.subject import Subject
from pgcraft_core.schema.function import Function
from pgcraft_core.schema.table import Trigger, TriggerEvent
from pgcraft_core.sql.literals import quote_literal


def current_guard(subject: Subject, *, has_computed_key: bool) -> tuple[Function, tuple[Trigger, Trigger]]:
    """Return what refuses TRUNCATE and changes of the key on the current table: a function and its triggers.

    A key that is computed from other columns changes without being named.
    """
    truncated = quote_literal(f"{subject.name} cannot be truncated: its past would not show what became of the rows")
    rekeyed = quote_literal(f"the key of a row of {subject.name} never changes: its past is kept under it")
    function = Function(
        schema_name=subject.schema,
        name=subject.derived("guard"),
        settings=(("search_path", ""),),
        body=(
            f"""
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    RAISE EXCEPTION USING
      ERRCODE = 'feature_not_supported',
      MESSAGE = {truncated},
      HINT = 'Use DELETE, which records each row.';
  END IF;
  RAISE EXCEPTION USING
    ERRCODE = 'feature_not_supported',
    MESSAGE = {rekeyed},
    HINT = 'Delete the row and insert one with the new key.';
END
""",
        ),
        comment=f"Refuses what would break the past of {subject.name}",
    )
    key_trigger = Trigger(
        name=subject.derived("keep_key"),
        timing="AFTER",  # only then is a generated key column known
        events=("UPDATE",),
        level="ROW",
        function_schema=function.schema_name,
        function_name=function.name,
        columns=() if has_computed_key else subject.key,
        when=f"{subject.key_of('OLD')} IS DISTINCT FROM {subject.key_of('NEW')}",
    )
    return function, (key_trigger, _statement_guard(subject.derived("refuse_truncate"), function, ("TRUNCATE",)))


def past_guard(subject: Subject, past: str) -> tuple[Function, tuple[Trigger]]:
    """Return what keeps a table of the past, by its suffix, from every writer but the triggers of the current one.

    Those write as the owner, within a trigger: they add what ended, and settle the beginning of what an INSERT made and
    the same statement ended. The function runs whenever they do, so it has neither settings nor a
    condition, which cost more than all it does, and qualifies every name instead.
    """
    name = subject.derived(past)
    is_owner = f"current_user OPERATOR(pg_catalog.=) {quote_literal(subject.owner)}"
    refused = quote_literal(f"{subject.schema}.{name} is written by {subject.name} alone: the past does not change")
    function = Function(
        schema_name=subject.schema,
        name=subject.derived(f"{past}_guard"),
        body=(
            f"""
BEGIN
  IF {is_owner} AND pg_catalog.pg_trigger_depth() OPERATOR(pg_catalog.>) 1
     AND (TG_OP OPERATOR(pg_catalog.=) 'INSERT' OR TG_OP OPERATOR(pg_catalog.=) 'UPDATE') THEN
    RETURN NULL;
  END IF;
  IF {is_owner} AND {backfill_in_body()} THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION USING
    ERRCODE = 'insufficient_privilege',
    MESSAGE = {refused},
    HINT = {quote_literal(f"Write to {subject.name}; what that ends is recorded by itself.")};
END
""",
        ),
        comment=f"Refuses to change the past of {subject.name}",
    )
    return function, (
        _statement_guard(subject.derived(f"{past}_guard"), function, ("INSERT", "UPDATE", "DELETE", "TRUNCATE")),
    )


def _statement_guard(name: str, function: Function, events: tuple[TriggerEvent, ...]) -> Trigger:
    return Trigger(
        name=name,
        timing="BEFORE",
        events=events,
        level="STATEMENT",
        function_schema=function.schema_name,
        function_name=function.name,
    )
