"""What the documentation shows is what happens: manifests, the SQL they become, statements, requests, answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs._page import PAGES, compare_form, find_instants, read_blocks
from playground.postgres import PostgresServer
from tests.postgres.page_world import open_page_world, run_page

RUN = {"yaml", "diff", "sql", "sh"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_happens(page: Path, postgres: PostgresServer, postgrest_binary: Path) -> None:
    text = page.read_text()
    with open_page_world(postgres, postgrest_binary) as world:
        done = [(block, answer) for block, answer in run_page(world, text) if answer is not None]
    then = {instant for block, _ in done for instant in find_instants(block.answer or "")}
    now = {instant for _, answer in done for instant in find_instants(answer or "")}

    for block, answer in done:
        assert compare_form(block.answer or "", then) == compare_form(answer or "", now), block.text
    assert done


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_of_a_page_is_of_a_kind_that_is_run(page: Path) -> None:
    assert {block.language for block in read_blocks(page.read_text())} <= RUN
