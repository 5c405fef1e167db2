"""The corpus: what dimensions (`*.yaml`) become (`*.sql` beside each), as the plan shows it to people.

`python -m tests.corpus.regenerate` writes the SQL anew; read the difference before committing it. A file named
`change_*.yaml` holds one dimension before and after, and its SQL is that of the change. `*.before.sql` makes what must
be there first.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from pgcraft_core.plan.model import PlannedMigration
from pgcraft_core.spec.dimension import Dimension
from tests.corpus.world import applied, compiled, load, planned

FOLDER = Path(__file__).parent
FILES = sorted(FOLDER.glob("*.yaml"))


def read_states(file: Path) -> list[list[Dimension]]:
    """Return the dimensions of each state the file describes: one, or two for a change."""
    dimensions = [load(document) for document in yaml.safe_load_all(file.read_text())]
    return [[one] for one in dimensions] if file.stem.startswith("change_") else [dimensions]


def setup_of(file: Path) -> str:
    """Return the SQL that must have run before, by somebody else."""
    before = file.with_suffix(".before.sql")
    return before.read_text() if before.exists() else "SELECT"


def expected_of(file: Path) -> Path:
    """Return the file with the SQL."""
    return file.with_suffix(".sql")


def write_sql(file: Path) -> str:
    """Return the SQL of the file's last state, planned without a database, for Postgres 18."""
    states = read_states(file)
    ready: tuple[PlannedMigration, ...] = ()
    waiting: tuple[PlannedMigration, ...] = ()
    registry = None
    for state in states:
        ready, waiting = planned(compiled(*state), registry)
        registry = applied(ready, registry)
    held_back = "".join(f"\n-- waits for approval:\n{migration.sql}" for migration in waiting)
    return "\n".join(migration.sql for migration in ready) + held_back
