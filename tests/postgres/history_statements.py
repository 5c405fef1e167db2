"""Statements on things, each with the effects it should have, and how hypothesis makes them up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hypothesis import strategies as st

from tests.postgres.history_model import Row, State

TABLE, VIEW = "geo.things", "api.things"
Relation = Literal["geo.things", "api.things"]
Effects = Iterator[tuple[int, Row | None]]


@dataclass(frozen=True)
class Insert:
    """INSERT of one row or several, which fails where a key is there already unless it says what to do then."""

    keys: tuple[int, ...]
    row: Row
    conflict: Literal["fail", "skip", "replace", "count"] = "fail"

    def sql(self, world: int) -> tuple[str, list[Any]]:
        """Return the statement and its parameters."""
        action = {
            "fail": "",
            "skip": "ON CONFLICT (world, k) DO NOTHING",
            "replace": "ON CONFLICT (world, k) DO UPDATE SET a = excluded.a, n = excluded.n, doc = excluded.doc",
            "count": "ON CONFLICT (world, k) DO UPDATE SET n = things.n + 1",
        }[self.conflict]
        rows = ", ".join(["(%s, %s, %s, %s, %s)"] * len(self.keys))
        text = f"INSERT INTO {{relation}} (world, k, a, n, doc) VALUES {rows} {action}"
        return text, [value for key in self.keys for value in (world, key, *self.row)]

    def effects(self, state: State) -> Effects:
        """Yield what it does to rows in this state."""
        for key in self.keys:
            there = state.get(key)
            match self.conflict:
                case _ if there is None:
                    yield key, self.row
                case "fail":
                    raise AssertionError(f"{key} is there already: the statement would fail")
                case "skip":
                    pass
                case "replace":
                    yield key, self.row
                case "count":
                    yield key, there._replace(n=None if there.n is None else there.n + 1)


@dataclass(frozen=True)
class Change:
    """UPDATE of some columns of some rows, possibly only of those with a certain `n`; `n = 'n + 1'` counts."""

    keys: tuple[int, ...]
    values: tuple[tuple[str, Any], ...]
    only: int | None = None

    def sql(self, world: int) -> tuple[str, list[Any]]:
        """Return the statement and its parameters."""
        assigned = [f"{column} = n + 1" if value == "n + 1" else f"{column} = %s" for column, value in self.values]
        given = [value for _, value in self.values if value != "n + 1"]
        condition, only = ("", []) if self.only is None else (" AND n = %s", [self.only])
        text = f"UPDATE {{relation}} SET {', '.join(assigned)} WHERE world = %s AND k = ANY (%s){condition}"
        return text, [*given, world, list(self.keys), *only]

    def effects(self, state: State) -> Effects:
        """Yield what it does to rows in this state."""
        for key in self.keys:
            row = state.get(key)
            if row is None or (self.only is not None and row.n != self.only):
                continue
            counted = None if row.n is None else row.n + 1
            values: dict[str, Any] = {name: counted if value == "n + 1" else value for name, value in self.values}
            yield key, row._replace(**values)


@dataclass(frozen=True)
class Touch:
    """UPDATE that changes nothing."""

    keys: tuple[int, ...]

    def sql(self, world: int) -> tuple[str, list[Any]]:
        """Return the statement and its parameters."""
        return "UPDATE {relation} SET a = a, doc = doc WHERE world = %s AND k = ANY (%s)", [world, list(self.keys)]

    def effects(self, state: State) -> Effects:
        """Yield what it does to rows in this state."""
        yield from ((key, state[key]) for key in self.keys if key in state)


@dataclass(frozen=True)
class Remove:
    """DELETE of some rows."""

    keys: tuple[int, ...]

    def sql(self, world: int) -> tuple[str, list[Any]]:
        """Return the statement and its parameters."""
        return "DELETE FROM {relation} WHERE world = %s AND k = ANY (%s)", [world, list(self.keys)]

    def effects(self, state: State) -> Effects:
        """Yield what it does to rows in this state."""
        yield from ((key, None) for key in self.keys if key in state)


@dataclass(frozen=True)
class Merge:
    """MERGE that deletes where `n` is 7, counts the others and inserts the missing."""

    keys: tuple[int, ...]
    row: Row

    def sql(self, world: int) -> tuple[str, list[Any]]:
        """Return the statement and its parameters."""
        text = """
            MERGE INTO {relation} t USING unnest(%s::integer[]) AS given (k) ON t.world = %s AND t.k = given.k
            WHEN MATCHED AND t.n = 7 THEN DELETE
            WHEN MATCHED THEN UPDATE SET a = %s, n = t.n + 1
            WHEN NOT MATCHED THEN INSERT (world, k, a, n, doc) VALUES (%s, given.k, %s, %s, %s::json)
        """
        return text, [list(self.keys), world, self.row.a, world, *self.row]

    def effects(self, state: State) -> Effects:
        """Yield what it does to rows in this state."""
        for key in self.keys:
            row = state.get(key)
            if row is None:
                yield key, self.row
            elif row.n == 7:
                yield key, None
            else:
                yield key, row._replace(a=self.row.a, n=None if row.n is None else row.n + 1)


@dataclass(frozen=True)
class Move:
    """One statement that deletes a row and inserts it under another key, or under the same again."""

    source: int
    target: int

    def sql(self, world: int) -> tuple[str, list[Any]]:
        """Return the statement and its parameters."""
        text = """
            WITH gone AS (DELETE FROM {relation} WHERE world = %s AND k = %s RETURNING a, n, doc)
            INSERT INTO {relation} (world, k, a, n, doc) SELECT %s, %s, a, n, doc FROM gone
            ON CONFLICT (world, k) DO NOTHING
        """
        return text, [world, self.source, world, self.target]

    def effects(self, state: State) -> Effects:
        """Yield what it does to rows in this state."""
        row = state.get(self.source)
        if row is not None:
            yield self.source, None
            if self.target == self.source or self.target not in state:
                yield self.target, row


@dataclass(frozen=True)
class Block:
    """Several commands in one statement of the client: the time of the statement is one for all of them."""

    parts: tuple[Insert | Change | Touch | Remove, ...]

    def effects(self, state: State) -> Effects:
        """Yield what it does to rows in this state."""
        now = dict(state)
        for part in self.parts:
            for key, row in list(part.effects(now)):
                yield key, row
                if row is None:
                    del now[key]
                else:
                    now[key] = row


Simple = Insert | Change | Touch | Remove
Statement = Simple | Merge | Move | Block

KEYS = st.integers(1, 3)
SOME = st.lists(KEYS, min_size=1, max_size=3, unique=True).map(lambda keys: tuple(sorted(keys)))
TEXTS = st.sampled_from([None, "", "x", "y"])
NUMBERS = st.sampled_from([None, 0, 1, 7])
DOCUMENTS = st.sampled_from([None, "{}", '{"a": 1}', '{"a":1}'])
"""Two of them mean the same and read differently: to json that is a change."""
ROWS = st.builds(Row, TEXTS, NUMBERS, DOCUMENTS)


def values() -> st.SearchStrategy[tuple[tuple[str, Any], ...]]:
    """Make assignments to one column or several."""
    given = {"a": TEXTS, "n": NUMBERS | st.just("n + 1"), "doc": DOCUMENTS}
    return st.fixed_dictionaries({}, optional=given).filter(bool).map(lambda chosen: tuple(sorted(chosen.items())))


def simple(keys: st.SearchStrategy[tuple[int, ...]] = SOME, conflicts: Sequence[str] = ()) -> st.SearchStrategy[Simple]:
    """Make statements that say what they did by RETURNING; plain inserts, which may fail, only if asked for."""
    named: Any = st.sampled_from(["skip", "replace", "count", *conflicts])
    return st.one_of(
        st.builds(Insert, keys, ROWS, named),
        st.builds(Change, keys, values(), st.sampled_from([None, None, 0])),
        st.builds(Touch, keys),
        st.builds(Remove, keys),
    )


def statements() -> st.SearchStrategy[Statement]:
    """Make statements of every form that cannot fail."""
    moves = st.builds(Move, KEYS, KEYS)
    blocks = st.lists(simple(), min_size=2, max_size=3).map(lambda parts: Block(tuple(parts)))
    return st.one_of(simple(), simple(), st.builds(Merge, SOME, ROWS), moves, blocks)
