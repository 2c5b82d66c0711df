# Works from a clean checkout with Python 3.11+, GNU make and access to PyPI; see `make help`.
PYTHON ?= python3
VENV   := .venv
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint types bench

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP)  ## Make .venv from the locked requirements

# The second install is offline in effect: the build backend itself comes from the lock.
$(STAMP): requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)  ## Run the demonstration: make demo ARGS="..."
	$(VENV)/bin/chatbridge demo $(ARGS)

test: $(STAMP)  ## Run the tests: make test ARGS="-k sandbox"
	$(VENV)/bin/python -m pytest $(ARGS)

lint: $(STAMP)  ## Check style and formatting
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(STAMP)  ## Check types
	$(VENV)/bin/mypy

bench: $(STAMP)  ## Run the benchmarks
	$(VENV)/bin/python -m tests.bench $(ARGS)
