# Two commands for users; developers' commands are in the justfile.
.PHONY: help demo test
.DEFAULT_GOAL := help

help:
	@echo "make demo          a Postgres, a Kubernetes API, the operator and PostgREST serving real rows (KEEP=1 leaves it running)"
	@echo "make test          the whole test suite"

demo:
	@./playground/bootstrap
	@.venv/bin/python -m playground.demo $(if $(KEEP),--keep)

test:
	@./playground/bootstrap
	@.venv/bin/python -m playground.prepare
	@.venv/bin/pytest $(PYTEST_ARGS)
