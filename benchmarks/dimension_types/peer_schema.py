"""Run by the peer's own Python, never imported: makes a table as pgcraft's documentation says, by its migrations.

`python peer_schema.py URL TYPE COLUMNS`: COLUMNS are JSON objects as `Column` in `columns.py`.
"""

import json
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.config import Config
from pgcraft import PGCraftCheck, PGCraftConfig, PGCraftIndex, construct_pgcraft_naming_conventions_dict
from pgcraft.ext.postgrest import PostgRESTExtension, PostgRESTPlugin
from pgcraft.factory.dimension.append_only import PGCraftAppendOnly
from pgcraft.factory.dimension.eav import PGCraftEAV
from pgcraft.factory.dimension.simple import PGCraftSimple
from sqlalchemy import BigInteger, Boolean, Column, Date, Double, Integer, MetaData, Text, text

FACTORIES = {"Simple": PGCraftSimple, "AppendOnly": PGCraftAppendOnly, "EAV": PGCraftEAV}
TYPES = {
    "bigint": BigInteger,
    "boolean": Boolean,
    "date": Date,
    "double precision": Double,
    "integer": Integer,
    "text": Text,
    # Its EAV has one value column a kind of type, with the length of whichever attribute came first.
    "varchar(2)": Text,
    "varchar(8)": Text,
}
ENVIRONMENT = """
from alembic import context
from pgcraft.alembic.register import (
    pgcraft_alembic_hook, pgcraft_configure_metadata, pgcraft_process_revision_directives, pgcraft_render_item,
)
from sqlalchemy import create_engine

given = context.config.attributes
pgcraft_alembic_hook()
pgcraft_configure_metadata(given["metadata"], given["config"])
with create_engine(given["url"]).connect() as connection:
    context.configure(
        connection=connection, target_metadata=given["metadata"], include_schemas=True,
        process_revision_directives=pgcraft_process_revision_directives, render_item=pgcraft_render_item,
    )
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = """
import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}

def upgrade():
    ${upgrades if upgrades else "pass"}
"""


def main(url: str, dimension_type: str, columns: list[dict]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "versions").mkdir()
        (Path(folder) / "env.py").write_text(ENVIRONMENT)
        (Path(folder) / "script.py.mako").write_text(REVISION)
        # Its first migration would create indexes before their tables: they come in a second one.
        for indexed in (False, True):
            alembic = Config()
            alembic.set_main_option("script_location", folder)
            metadata, config = declare(dimension_type, columns, indexed=indexed)
            alembic.attributes.update(
                metadata=metadata, config=config, url=url.replace("postgresql://", "postgresql+psycopg://", 1)
            )
            command.revision(alembic, "airports", autogenerate=True)
            command.upgrade(alembic, "head")


def declare(dimension_type: str, columns: list[dict], *, indexed: bool) -> tuple[MetaData, PGCraftConfig]:
    metadata = MetaData(naming_convention=construct_pgcraft_naming_conventions_dict())
    config = PGCraftConfig(auto_discover=False)
    config.use(PostgRESTExtension())
    items = [
        *(
            Column(
                column["name"],
                TYPES[column["type"]](),
                nullable=column["nullable"],
                unique=column["unique"],
                server_default=text(column["default"]) if column["default"] else None,
            )
            for column in columns
        ),
        *(
            PGCraftCheck(
                column["check"].replace(column["name"], f"{{{column['name']}}}"), name=f"{column['name']}_check"
            )
            for column in columns
            if column["check"]
        ),
    ]
    if indexed and dimension_type != "EAV":  # an EAV takes no index
        items += [
            PGCraftIndex(f"airports_by_{column['name']}", f"{{{column['name']}}}")
            for column in columns
            # An AppendOnly looks for equal values of a unique column by a query, which is hopeless without one.
            if column["indexed"] or (column["unique"] and dimension_type == "AppendOnly")
        ]
    FACTORIES[dimension_type](
        "airports",
        "geo",
        metadata,
        items,
        config=config,
        extra_plugins=[PostgRESTPlugin(schema="api", grants=["select", "insert", "update", "delete"])],
    )
    return metadata, config


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
