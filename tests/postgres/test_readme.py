"""The README shows a dimension and what it becomes: that is what it becomes."""

import re
from pathlib import Path

import psycopg
import yaml

from pgcraft_core.compile import CompileInput, compile_resources
from pgcraft_core.migrate.session import Session
from pgcraft_core.migrate.settings import SessionSettings
from pgcraft_core.schema.unit import Claimant
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.dimension import Dimension
from pgcraft_core.spec.load import load_resource
from playground.postgres import ScratchDatabase

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_shown_dimension_becomes_the_shown_sql(database: ScratchDatabase) -> None:
    manifests = [load_resource(yaml.safe_load(block)) for block in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)]
    (dimension,) = [manifest for manifest in manifests if isinstance(manifest, Dimension)]
    (declared,) = [manifest for manifest in manifests if isinstance(manifest, Database)]
    (shown,) = re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
    with psycopg.connect(database.url, autocommit=True) as superuser:
        superuser.execute("DO $$ BEGIN CREATE ROLE web_anon; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    settings = SessionSettings(
        url=database.owner_url,
        owner_id=declared.owner_id,
        owner_role=f"{database.name}_owner",
        database=Claimant("Database", "platform", "warehouse"),
    )
    with Session(settings) as session:
        given = CompileInput(declared, database.name, (dimension,), server_version=session.server_version)
        units = compile_resources(given)
        (migration,) = session.plan(units).migrations
        session.apply(migration)

        assert session.plan(units).is_empty
    assert shown.strip() in migration.sql
