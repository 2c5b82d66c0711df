# Works from a clean checkout with Python 3.11+, GNU make and access to PyPI; see `make help`.
PYTHON ?= python3
VENV   := .venv
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv demo test faults faults-1 faults-2 field lint types docs freeze bench chaos mutants upgrade explore fuzz image packages audit

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

faults: $(STAMP)  ## Run the tests that break links, brokers and workers on purpose (30 minutes)
	$(VENV)/bin/python -m pytest -m faults $(ARGS)

# The same in two parts, to run beside each other: most of the time they wait for time-outs.
LATER = tests/integration/test_[l-z]*.py
faults-1: $(STAMP)
	$(VENV)/bin/python -m pytest -m faults --ignore-glob='$(LATER)' $(ARGS)

faults-2: $(STAMP)
	$(VENV)/bin/python -m pytest -m faults $(LATER) $(ARGS)

field: $(STAMP)  ## Run the tests of faults reported from the field, most of them expected to fail (15 minutes)
	$(VENV)/bin/python -m pytest -m field tests/field $(ARGS)

image: $(STAMP)  ## Build the image, run it against a secured Kafka, write its bills of materials to dist (root on Debian)
	$(VENV)/bin/python -m tests.image
	$(VENV)/bin/python -m pytest -m image tests/image tests/packaging --log-cli-level=info $(ARGS)

packages: $(STAMP)  ## Write wheel, source distribution, bill of materials and third-party notices to dist
	$(VENV)/bin/python -m tests.packaging

audit: $(STAMP)  ## Ask PyPI's database for known vulnerabilities of the locked packages; 3 when it cannot be asked
	$(VENV)/bin/python -m tests.packaging.audit

lint: $(STAMP)  ## Check style and formatting
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

types: $(STAMP)  ## Check types
	$(VENV)/bin/mypy

docs: $(STAMP)  ## Write docs/reference (settings, metrics, topics, codes, commands) from the code
	$(VENV)/bin/python -m tests.documentation

freeze: $(STAMP)  ## Add the schemas to schemas/released as those of the version in pyproject.toml, once per version
	$(VENV)/bin/python -m tests.released

bench: $(STAMP)  ## Run the benchmarks
	$(VENV)/bin/python -m tests.bench $(ARGS)

SECONDS ?= 300
chaos: $(STAMP)  ## Random faults for a set time, compared with the ledger: make chaos SECONDS=3600 ARGS="--seed 1 --report FILE"
	$(VENV)/bin/python -m tests.chaos --seconds $(SECONDS) $(ARGS)

upgrade: $(STAMP)  ## Roll three workers to the next version and back, under load: make upgrade SECONDS=600 ARGS="--next tree"
	$(VENV)/bin/python -m tests.upgrade --seconds $(SECONDS) $(ARGS)

mutants: $(STAMP)  ## Check that the oracle of chaos and the engine's tests detect deliberate defects (5 minutes)
	$(VENV)/bin/python -m tests.chaos.mutants

# Shrinking a failing example may take five minutes, more than the usual time limit of a test.
explore: $(STAMP)  ## Run the property tests on inputs of a new seed (2 minutes): make explore SEED=1
	@seed=$${SEED:-$$($(VENV)/bin/python -c 'import secrets; print(secrets.randbits(32))')}; \
	echo "seed $$seed"; \
	$(VENV)/bin/python -m pytest -m property --hypothesis-profile=explore --hypothesis-seed=$$seed --timeout=600 || \
	{ echo "to repeat this: make explore SEED=$$seed; what it found becomes an @example of its test" >&2; exit 1; }

fuzz: explore  ## Explore, then fuzz every decoder: make fuzz ARGS="--seconds 600 wire"
	$(VENV)/bin/python -m tests.fuzz $(ARGS)
