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

# Generated files anew: CRDs, the page of reasons
generate:
    uv run python -m pgcraft_core.spec.crd crds/
    uv run python docs/_reasons.py docs/reasons.md

# Plan and apply 300 dimensions, beside the same DDL by hand
bench:
    uv run python -m benchmarks.plan_and_apply
