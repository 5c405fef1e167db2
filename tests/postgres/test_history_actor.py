"""Who did it and when is for the database to say: the token's claims, the session's user, its clock."""

from __future__ import annotations

import json
from collections.abc import Iterator

import psycopg
import pytest

from playground.postgres import PostgresServer
from tests.corpus.world import WRITER, sql
from tests.postgres.history_world import PAST, Stage, staged

BOOKKEEPING = {
    "AppendOnly": ("valid_from", "changed_by", "changed_via"),
    "EAV": ("created_at", "created_by", "created_via"),
}


@pytest.fixture(scope="module", params=PAST)
def stage(any_postgres: PostgresServer, request: pytest.FixtureRequest) -> Iterator[Stage]:
    with staged(any_postgres, request.param) as stage:
        yield stage


@pytest.fixture
def session(stage: Stage) -> Iterator[psycopg.Connection]:
    """A session of the login that owns the database, as the role that owns the table."""
    with psycopg.connect(stage.database.owner_url, autocommit=True) as session:
        session.execute(sql(f'SET ROLE "{stage.owner}"'))
        yield session


@pytest.mark.parametrize(
    ("claims", "actor"),
    [
        ({"sub": "ann", "role": "writer"}, "ann"),
        ({"role": "writer"}, "writer"),
        ({"sub": None, "role": "writer"}, "writer"),
        ({"sub": 42}, "42"),
        ({"sub": 'O\'Brien; "ünï" \\'}, 'O\'Brien; "ünï" \\'),
        ({"aud": "nobody says who"}, None),
        ([], None),
        (["sub"], None),
        ("sub", None),
        (None, None),
    ],
    ids=repr,
)
def test_actor_is_told_by_the_claims_and_the_login_stands_beside(
    stage: Stage, session: psycopg.Connection, claims: object, actor: str | None
) -> None:
    world, login = next(stage.worlds), stage.database.owner
    actor = actor or login
    session.execute(sql(f"INSERT INTO geo.things (world, k, a) VALUES ({world}, 1, 'before')"))
    session.execute("SELECT set_config('request.jwt.claims', %s, false)", [json.dumps(claims)])
    session.execute(sql(f"UPDATE geo.things SET a = 'claimed' WHERE world = {world}"))
    session.execute("SELECT set_config('request.jwt.claims', '', false)")
    session.execute(sql(f"DELETE FROM geo.things WHERE world = {world}"))
    assert [span[3:] for span in stage.spans(world, 1)] == [
        (login, login, actor, login),
        (actor, login, login, login),
    ]


def test_without_any_claims_it_is_the_login_whatever_its_role(stage: Stage, session: psycopg.Connection) -> None:
    world, login = next(stage.worlds), stage.database.owner
    session.execute(sql(f"INSERT INTO geo.things (world, k, a) VALUES ({world}, 1, 'x')"))
    (span,) = stage.spans(world, 1)
    assert (span.changed_by, span.changed_via) == (login, login)


@pytest.mark.parametrize("claims", ["{", "no json", '{"sub": "ann"', " "])
def test_claims_that_are_no_json_write_nothing(stage: Stage, session: psycopg.Connection, claims: str) -> None:
    world = next(stage.worlds)
    session.execute(sql(f"INSERT INTO geo.things (world, k, a) VALUES ({world}, 1, 'x')"))
    session.execute("SELECT set_config('request.jwt.claims', %s, false)", [claims])
    for statement in (
        f"INSERT INTO geo.things (world, k, a) VALUES ({world}, 2, 'x')",
        f"UPDATE geo.things SET a = 'y' WHERE world = {world}",
        f"DELETE FROM geo.things WHERE world = {world}",
    ):
        with pytest.raises(psycopg.errors.InvalidTextRepresentation):
            session.execute(sql(statement))
    assert [span.value for span in stage.spans(world, 1)] == ["x"]


def test_stamp_that_an_insert_into_the_table_brings_is_put_right(stage: Stage, session: psycopg.Connection) -> None:
    """Only the owner role and superusers write the table itself; settled is what is not of now or of their session."""
    world, login = next(stage.worlds), stage.database.owner
    at, by, via = BOOKKEEPING[stage.type]
    began = stage.now()
    session.execute(
        sql(
            f"INSERT INTO geo.things (world, k, a, {at}, {by}, {via}) VALUES"
            f" ({world}, 1, 'x', '2001-01-01', 'mallory', 'mallory'), ({world}, 2, 'x', 'infinity', DEFAULT, DEFAULT),"
            f" ({world}, 3, 'x', '-infinity', DEFAULT, DEFAULT), ({world}, 4, 'x', DEFAULT, 'mallory', 'mallory')"
        )
    )
    with session.cursor().copy(sql(f"COPY geo.things (world, k, a, {at}, {by}, {via}) FROM STDIN")) as copy:
        copy.write_row((world, 5, "x", "2001-01-01", "mallory", "mallory"))
        copy.write_row((world, 6, "x", "2101-01-01", "mallory", login))
    session.execute(
        sql(
            f"""
            MERGE INTO geo.things USING (VALUES (7, '2001-01-01'), (8, '2101-01-01')) AS given (k, at)
            ON things.world = {world} AND things.k = given.k
            WHEN NOT MATCHED THEN INSERT (world, k, a, {at}, {by}, {via})
            VALUES ({world}, given.k, 'x', given.at::timestamptz, 'mallory', 'mallory')
            """
        )
    )
    ended = stage.now()
    for key in range(1, 9):
        (span,) = stage.spans(world, key)
        assert began < span.valid_from < ended
        assert (span.changed_by, span.changed_via) == (login, login)


def test_actor_that_an_insert_into_the_table_names_is_taken_as_claims_are(
    stage: Stage, session: psycopg.Connection
) -> None:
    """Whoever can name one could set the claims as well; the login is told beside either."""
    world, (_, by, _) = next(stage.worlds), BOOKKEEPING[stage.type]
    session.execute(sql(f"INSERT INTO geo.things (world, k, a, {by}) VALUES ({world}, 1, 'x', 'the import')"))
    (span,) = stage.spans(world, 1)
    assert (span.changed_by, span.changed_via) == ("the import", stage.database.owner)


@pytest.mark.parametrize("position", range(3))
def test_stamp_cannot_be_named_through_the_api(stage: Stage, position: int) -> None:
    world, column = next(stage.worlds), BOOKKEEPING[stage.type][position]
    given = ("'2001-01-01'", "'mallory'", "'mallory'")[position]
    stage.run("INSERT INTO geo.things (world, k, a) VALUES (%s, 1, 'x')", world)
    upsert = f"INSERT INTO api.things (world, k) VALUES ({world}, 1) ON CONFLICT (world, k) DO UPDATE"
    statements = [
        f"INSERT INTO api.things (world, k, a, {column}) VALUES ({world}, 2, 'x', {given})",
        f"UPDATE api.things SET {column} = {given} WHERE world = {world}",
        f"{upsert} SET {column} = {given}",
    ]
    if stage.eye.info.server_version >= 170000:
        statements.append(
            f"MERGE INTO api.things USING (VALUES (2)) AS given (k) ON things.world = {world} AND things.k = given.k"
            f" WHEN NOT MATCHED THEN INSERT (world, k, a, {column}) VALUES ({world}, given.k, 'x', {given})"
        )
    with psycopg.connect(stage.database.url, autocommit=True) as session:
        session.execute(sql(f"SET ROLE {WRITER}"))
        for statement in statements:
            with pytest.raises(psycopg.errors.FeatureNotSupported, match=column):
                session.execute(sql(statement))
    assert stage.rows("SELECT k, a FROM geo.things WHERE world = %s", world) == [(1, "x")]


def test_stamp_that_is_null_is_put_right_or_refused(stage: Stage, session: psycopg.Connection) -> None:
    world = next(stage.worlds)
    for column in BOOKKEEPING[stage.type]:
        try:
            session.execute(sql(f"INSERT INTO geo.things (world, k, a, {column}) VALUES ({world}, 1, 'x', NULL)"))
        except psycopg.errors.NotNullViolation:
            continue
        session.execute(sql(f"DELETE FROM geo.things WHERE world = {world}"))
    for span in stage.spans(world, 1):
        assert (span.changed_by, span.changed_via) == (stage.database.owner, stage.database.owner)


@pytest.mark.parametrize("besides", ["", ", a = 'y'"])
def test_stamp_that_an_update_sets_is_put_back(stage: Stage, session: psycopg.Connection, besides: str) -> None:
    world, login = next(stage.worlds), stage.database.owner
    session.execute(sql(f"INSERT INTO geo.things (world, k, a) VALUES ({world}, 1, 'x')"))
    (first,) = stage.spans(world, 1)
    for position, column in enumerate(BOOKKEEPING[stage.type]):
        forged = "'2001-01-01'" if position == 0 else "'mallory'"
        session.execute(sql(f"UPDATE geo.things SET {column} = {forged}{besides} WHERE world = {world}"))
    spans = stage.spans(world, 1)
    assert [span.value for span in spans] == (["x", "y"] if besides else ["x"])
    assert spans[0].valid_from == first.valid_from
    assert {(span.changed_by, span.changed_via) for span in spans} == {(login, login)}
    ((at, by, via),) = stage.rows(
        f"SELECT {', '.join(BOOKKEEPING[stage.type])} FROM geo.things WHERE world = %s", world
    )
    assert (by, via) == (login, login)
    assert at == (spans[-1] if stage.type == "AppendOnly" else spans[0]).valid_from


def test_copy_stamps_every_row(stage: Stage, session: psycopg.Connection) -> None:
    world = next(stage.worlds)
    began = stage.now()
    session.execute("""SET request.jwt.claims = '{"sub": "ann"}'""")
    with session.cursor().copy("COPY geo.things (world, k, a) FROM STDIN") as copy:
        for key in range(3000):
            copy.write_row((world, key, "x"))
    ended = stage.now()
    at, by, via = BOOKKEEPING[stage.type]
    assert stage.rows(f"SELECT DISTINCT {by}, {via} FROM geo.things WHERE world = %s", world) == [
        ("ann", stage.database.owner)
    ]
    ((first, last),) = stage.rows(f"SELECT min({at}), max({at}) FROM geo.things WHERE world = %s", world)
    assert began < first <= last < ended
