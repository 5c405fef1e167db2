"""Reading a real catalog: complete, restricted to what was asked, qualified, and from one snapshot."""

from collections.abc import Iterator
from typing import Literal

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import Connection

from pgcraft_core.catalog.evidence import TableEvidence, count_non_null, read_evidence
from pgcraft_core.catalog.model import AccessGrant, Catalog, CatalogColumn
from pgcraft_core.catalog.read import read_catalog
from pgcraft_core.catalog.rendering import Rendering, differences, render
from pgcraft_core.schema.base import ObjectId, QualifiedName
from playground.postgres import ScratchDatabase

WORLD = """
CREATE SCHEMA "Geo"; CREATE SCHEMA api; CREATE SCHEMA elsewhere;
CREATE ROLE {reader}; CREATE ROLE {group}; GRANT {group} TO {reader}; COMMENT ON ROLE {reader} IS 'reads';
CREATE TYPE elsewhere.mood AS ENUM ('good', 'bad');
CREATE FUNCTION elsewhere.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
CREATE TABLE "Geo".countries (code char(2) PRIMARY KEY, name text COLLATE "C" NOT NULL);
CREATE TABLE "Geo"."Air ports" (
    id bigint GENERATED ALWAYS AS IDENTITY,
    gone int,
    icao varchar(4) NOT NULL UNIQUE,
    country char(2) REFERENCES "Geo".countries ON DELETE CASCADE,
    elevation numeric(6,1) DEFAULT 0 CHECK (elevation > -1500),
    seen timestamptz DEFAULT '2020-01-01 12:00+02',
    mood elsewhere.mood DEFAULT 'good',
    label text GENERATED ALWAYS AS (icao || ' %% :x') STORED,
    CONSTRAINT one_each EXCLUDE USING btree (icao WITH =),
    PRIMARY KEY (id)
);
ALTER TABLE "Geo"."Air ports" DROP COLUMN gone;
CREATE INDEX by_label ON "Geo"."Air ports" (lower(label)) WHERE mood = 'good';
CREATE TRIGGER touched BEFORE UPDATE ON "Geo"."Air ports" FOR EACH ROW EXECUTE FUNCTION elsewhere.touch();
COMMENT ON TABLE "Geo"."Air ports" IS 'of the world';
COMMENT ON COLUMN "Geo"."Air ports".icao IS 'ICAO';
COMMENT ON INDEX "Geo".by_label IS 'index';
COMMENT ON CONSTRAINT "Air ports_pkey" ON "Geo"."Air ports" IS 'key';
GRANT SELECT, INSERT ON "Geo"."Air ports" TO {reader};
GRANT UPDATE (elevation) ON "Geo"."Air ports" TO PUBLIC;
CREATE VIEW api.airports WITH (security_invoker = true) AS SELECT id, icao, mood FROM "Geo"."Air ports";
ALTER VIEW api.airports ALTER mood SET DEFAULT 'bad';
COMMENT ON VIEW api.airports IS 'seen';
GRANT SELECT ON api.airports TO {reader} WITH GRANT OPTION;
GRANT USAGE ON SCHEMA api TO {reader};
CREATE VIEW elsewhere.foreign_view AS SELECT icao FROM "Geo"."Air ports";
CREATE MATERIALIZED VIEW elsewhere.foreign_matview AS SELECT id FROM api.airports;
CREATE SEQUENCE api.numbers;
"""


@pytest.fixture
def connection(any_database: ScratchDatabase) -> Iterator[Connection]:
    engine = create_engine(any_database.url.replace("postgresql://", "postgresql+psycopg://", 1))
    with engine.connect() as connection:
        world = WORLD.format(reader=f"{any_database.name}_reader", group=f"{any_database.name}_group")
        connection.exec_driver_sql(world.replace("%%", "%"), execution_options={"no_parameters": True})
        connection.commit()
        yield connection
        connection.rollback()
    engine.dispose()


@pytest.fixture
def reader(any_database: ScratchDatabase) -> str:
    return f"{any_database.name}_reader"


_BY_LABEL = (
    'CREATE INDEX by_label ON "Geo"."Air ports" USING btree (lower(label)) WHERE (mood = \'good\'::elsewhere.mood)'
)
AIRPORTS = QualifiedName("Geo", "Air ports")


def test_a_table_is_read_whole(connection: Connection, reader: str) -> None:
    table = read_catalog(connection, ["Geo"], []).tables[AIRPORTS]
    assert [(column.name, column.type, column.nullable, column.default) for column in table.columns] == [
        ("id", "bigint", False, None),
        ("icao", "character varying(4)", False, None),
        ("country", "character(2)", True, None),
        ("elevation", "numeric(6,1)", True, "0"),
        ("seen", "timestamp with time zone", True, "'2020-01-01 10:00:00+00'::timestamp with time zone"),
        ("mood", "elsewhere.mood", True, "'good'::elsewhere.mood"),
        ("label", "text", True, None),
    ]
    by_name = {column.name: column for column in table.columns}
    assert by_name["id"].identity
    assert by_name["icao"].comment == "ICAO"
    assert by_name["label"].generated == "((icao)::text || ' % :x'::text)"
    assert not by_name["label"].virtual
    assert {constraint.name: constraint.definition for constraint in table.constraints} == {
        "Air ports_pkey": "PRIMARY KEY (id)",
        "Air ports_icao_key": "UNIQUE (icao)",
        "Air ports_country_fkey": 'FOREIGN KEY (country) REFERENCES "Geo".countries(code) ON DELETE CASCADE',
        "Air ports_elevation_check": "CHECK ((elevation > ('-1500'::integer)::numeric))",
        "one_each": "EXCLUDE USING btree (icao WITH =)",
    }
    assert {constraint.name for constraint in table.constraints if constraint.comment == "key"} == {"Air ports_pkey"}
    assert [(index.name, index.definition, index.valid, index.comment) for index in table.indexes] == [
        (
            "by_label",
            _BY_LABEL,
            True,
            "index",
        )
    ]
    assert [trigger.name for trigger in table.triggers] == ["touched"]
    assert table.comment == "of the world"
    assert table.grants == (
        AccessGrant("PUBLIC", "UPDATE", "elevation"),
        AccessGrant(reader, "INSERT"),
        AccessGrant(reader, "SELECT"),
    )


def test_views_schemas_roles_and_dependants_are_read(connection: Connection, reader: str) -> None:
    catalog = read_catalog(connection, ["Geo", "api", "missing"], [reader, "missing"])
    view = catalog.views[QualifiedName("api", "airports")]
    definition = " ".join(view.definition.replace('"Air ports".', "").split())  # before 16, columns are qualified
    assert definition == 'SELECT id, icao, mood FROM "Geo"."Air ports";'
    assert view.options == ("security_invoker=true",)
    assert view.comment == "seen"
    assert view.columns[2] == CatalogColumn(
        "mood",
        "elsewhere.mood",
        nullable=True,
        default="'bad'::elsewhere.mood",
        identity=False,
        generated=None,
        comment=None,
    )
    assert view.grants == (AccessGrant(reader, "SELECT", grantable=True),)
    assert catalog.schemas.keys() == {"Geo", "api"}
    assert catalog.schemas["api"].grants == (AccessGrant(reader, "USAGE"),)
    assert catalog.roles.keys() == {reader}
    role = catalog.roles[reader]
    assert (role.login, role.inherit, role.superuser, role.comment) == (False, True, False, "reads")
    assert role.member_of == (reader.replace("_reader", "_group"),)
    assert catalog.relations[QualifiedName("api", "numbers")] == "S"
    assert catalog.dependants == {
        AIRPORTS: (QualifiedName("api", "airports"), QualifiedName("elsewhere", "foreign_view")),
        QualifiedName("api", "airports"): (QualifiedName("elsewhere", "foreign_matview"),),
    }
    assert catalog.superuser
    assert catalog.server_version >= 150000


def test_names_are_qualified_whatever_the_search_path(connection: Connection) -> None:
    plain = read_catalog(connection, ["Geo", "api"], [])
    connection.exec_driver_sql(
        """SET search_path = "Geo", api, elsewhere; SET DateStyle = 'German'; SET TimeZone = 'Asia/Tokyo'"""
    )
    connection.commit()
    changed = read_catalog(connection, ["Geo", "api"], [])
    assert changed == plain
    shown = connection.exec_driver_sql("SELECT current_setting('search_path'), current_setting('TimeZone')").one()
    assert tuple(shown) == ('"Geo", api, elsewhere', "Asia/Tokyo")


def test_the_callers_transaction_is_respected(connection: Connection) -> None:
    """Outside one, none is left open; within one, its own changes are seen and it goes on."""
    read_catalog(connection, ["Geo"], [])
    assert not connection.in_transaction()
    with connection.begin():
        connection.exec_driver_sql('ALTER TABLE "Geo".countries ADD COLUMN extra int')
        seen = read_catalog(connection, ["Geo"], []).tables[QualifiedName("Geo", "countries")]
        assert "extra" in [column.name for column in seen.columns]
    with connection.begin():
        read_catalog(connection, ["Geo"], [])
        connection.exec_driver_sql('ALTER TABLE "Geo".countries ADD COLUMN more int')
    seen = read_catalog(connection, ["Geo"], []).tables[QualifiedName("Geo", "countries")]
    assert "more" in [column.name for column in seen.columns]


def test_an_autocommit_connection_reads_too(connection: Connection) -> None:
    expected = read_catalog(connection, ["Geo"], [])
    with connection.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as autocommit:
        assert read_catalog(autocommit, ["Geo"], []) == expected
        autocommit.exec_driver_sql("CREATE TABLE still_writable ()")


def rendered(catalog: Catalog, kind: Literal["table", "view"], name: QualifiedName) -> Rendering:
    rendering = render(catalog, ObjectId(kind, name.schema, name.name))
    assert rendering is not None
    return rendering


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        ("ALTER TABLE {t} ALTER elevation TYPE integer", ["column elevation: type numeric(6,1) became integer"]),
        ("ALTER TABLE {t} ALTER icao DROP NOT NULL", ["column icao: nullable no became yes"]),
        ("ALTER TABLE {t} ALTER mood DROP DEFAULT", ["column mood: default 'good'::elsewhere.mood is gone"]),
        (
            "ALTER TABLE {t} DROP COLUMN country",
            ["column country is gone", "constraint Air ports_country_fkey is gone"],
        ),
        ("ALTER TABLE {t} ADD COLUMN extra int", ["column extra was added"]),
        ('DROP INDEX "Geo".by_label', ["index by_label is gone"]),
        ("CREATE INDEX stranger ON {t} (country)", ["index stranger was added"]),
        ("ALTER TABLE {t} DISABLE TRIGGER touched", ["trigger touched: enabled O became D"]),
        ("GRANT DELETE ON {t} TO PUBLIC", ["role PUBLIC has DELETE"]),
        ("REVOKE INSERT ON {t} FROM {reader}", ["role {reader} lacks INSERT"]),
        ("GRANT SELECT (icao) ON {t} TO PUBLIC", ["role PUBLIC has SELECT (icao)"]),
        ("COMMENT ON TABLE {t} IS NULL", ["comment of the world is gone"]),
        ("COMMENT ON COLUMN {t}.icao IS 'else'", ["column icao: comment ICAO became else"]),
        ("ALTER TABLE {t} ENABLE ROW LEVEL SECURITY", ["row security no became yes"]),
        ("ALTER TABLE {t} OWNER TO {group}", ["owner postgres became {group}"]),
        ("ALTER TABLE {t} SET (fillfactor = 70)", ["options fillfactor=70 was added"]),
        ("INSERT INTO {t} (icao) SELECT generate_series(1, 99)", []),
        ("ANALYZE {t}", []),
        ("REINDEX TABLE {t}", []),
    ],
)
def test_what_changed_is_said_and_nothing_else(
    connection: Connection, reader: str, change: str, sentences: list[str]
) -> None:
    """Strangers' objects on the table are named; rows, statistics and files are no change."""
    group = reader.replace("_reader", "_group")
    if "elevation" in change:
        connection.exec_driver_sql('ALTER TABLE "Geo"."Air ports" DROP CONSTRAINT "Air ports_elevation_check"')
        connection.commit()
    before = rendered(read_catalog(connection, ["Geo"], []), "table", AIRPORTS)
    connection.exec_driver_sql(change.format(t='"Geo"."Air ports"', reader=reader, group=group))
    connection.commit()
    after = rendered(read_catalog(connection, ["Geo"], []), "table", AIRPORTS)
    assert differences(before, after) == [sentence.format(reader=reader, group=group) for sentence in sentences]
    assert (before == after) == (not sentences)


def test_other_kinds_render_what_belongs_to_them(connection: Connection, reader: str) -> None:
    catalog = read_catalog(connection, ["Geo", "api"], [reader])
    assert render(catalog, ObjectId("schema", "", "api")) == {"owner": "postgres"}
    assert render(catalog, ObjectId("schema_grant", "api", reader)) == {"usage": True}
    assert render(catalog, ObjectId("schema_grant", "Geo", reader)) is None
    assert render(catalog, ObjectId("role", "", "missing")) is None
    role = render(catalog, ObjectId("role", "", reader))
    assert role is not None
    assert role["member_of"] == [reader.replace("_reader", "_group")]
    view = rendered(catalog, "view", QualifiedName("api", "airports"))
    assert view["grants"] == {reader: ["SELECT WITH GRANT OPTION"]}
    connection.exec_driver_sql('CREATE OR REPLACE VIEW api.airports AS SELECT id, icao, mood FROM "Geo"."Air ports"')
    changed = rendered(read_catalog(connection, ["api"], []), "view", QualifiedName("api", "airports"))
    assert differences(view, changed) == ["options security_invoker=true is gone"]
    assert differences(view, None) == ["it is gone"]


def test_evidence_says_whether_rows_and_values_are_at_stake(connection: Connection) -> None:
    countries = QualifiedName("Geo", "countries")
    missing = QualifiedName("Geo", "missing")
    evidence = read_evidence(connection, [AIRPORTS, countries, missing])
    assert evidence.keys() == {AIRPORTS, countries}
    assert evidence[countries].empty
    connection.exec_driver_sql("INSERT INTO \"Geo\".countries VALUES ('NO', 'Norway'), ('FR', 'France')")
    connection.exec_driver_sql(
        "INSERT INTO \"Geo\".\"Air ports\" (icao, country) VALUES ('ENGM', 'NO'), ('XXXX', NULL)"
    )
    filled = read_evidence(connection, [countries])[countries]
    assert isinstance(filled, TableEvidence)
    assert not filled.empty
    assert filled.size > 0
    assert count_non_null(connection, AIRPORTS, ["icao", "country"]) == {"icao": 2, "country": 1}
    assert count_non_null(connection, AIRPORTS, []) == {}
