"""The README shows dimensions, what they become and what comes back: that is what happens."""

from pathlib import Path

import yaml

from docs._page import compare_form, read_blocks
from pgcraft_core.spec.database import Database
from pgcraft_core.spec.validation import validate
from playground.postgres import PostgresServer
from tests.corpus.world import load
from tests.postgres.page_world import open_page_world

README = Path(__file__).parents[2] / "README.md"
BLOCKS = read_blocks(README.read_text())


def test_the_readme_says_what_happens(postgres: PostgresServer, postgrest_binary: Path) -> None:
    shown = [block for block in BLOCKS if block.language != "yaml" or "kind: Dimension" in block.text]
    with open_page_world(postgres, postgrest_binary) as world:
        answers = [(block, world.answer(block)) for block in shown]
    compared = [(block, answer) for block, answer in answers if answer is not None]

    assert len(compared) == 2
    for block, answer in compared:
        assert compare_form(block.answer or "", ()) == compare_form(answer or "", ()), block.text


def test_the_database_of_the_readme_is_valid_and_gives_what_its_dimension_needs() -> None:
    resources = [load(yaml.safe_load(block.text)) for block in BLOCKS if block.language == "yaml"]
    (database,) = [resource for resource in resources if isinstance(resource, Database)]
    (dimension,) = [resource for resource in resources if not isinstance(resource, Database)]
    allowed = database.allows(dimension.metadata.namespace)

    assert [finding for resource in resources for finding in validate(resource)] == []
    assert allowed is not None
    assert {dimension.spec.schema_, dimension.spec.api.schema_} <= set(allowed.schemas)
    assert {grant.role for grant in dimension.spec.api.grants} <= set(allowed.roles)
