# Developers' commands. just and uv are in .venv after `make demo` or `make test`: `. .venv/bin/activate`.

export PATH := justfile_directory() / ".venv/bin" + ":" + env("PATH")

# What there is
default:
    @{{ just_executable() }} --list

# Style, imports between layers, generated files
lint:
    uv run ruff check .
    uv run ruff format --check .
    uv run lint-imports

# Types
type-check:
    uv run ty check

# Unit and Postgres tests only, on the server of DATABASE_URL (a superuser) where it is set; arguments go to pytest
dev-test *arguments:
    uv run pytest tests/unit tests/corpus tests/postgres {{ arguments }}

# The whole suite in an environment of its own; arguments go to pytest
test *arguments:
    uv run tox -- {{ arguments }}

# The documentation, into docs/_build
docs:
    uv run --group docs sphinx-build --fail-on-warning docs docs/_build

# Generated files anew: CRDs, the page of reasons, the diagrams
generate:
    uv run python -m pgcraft_core.spec.crd crds/
    uv run python docs/_reasons.py docs/reasons.md
    uv run python -m docs._erd

# What the product costs: planning and applying 300 dimensions, and the three types beside plain tables; `--peer` too
bench *arguments:
    uv run python -m benchmarks.plan_and_apply
    uv run python -m benchmarks.dimension_types --entities 1000000 --explain {{ arguments }}
