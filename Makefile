# Works from a clean checkout with Python 3.11+, GNU make and access to PyPI; see `make help`.
PYTHON ?= python3
VENV   := .venv
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help

# The tests start some thousand processes: where the environment forbids to keep compiled modules, each compiles all of them.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help venv demo test compiled faults field watching watching-page watching-alerts pictures deploy-checks manifests image packages audit lint types docs freeze bench detection chaos mutants upgrade ucs explore fuzz

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP)  ## Make .venv from the locked requirements

# The second install is offline in effect: the build backend itself comes from the lock.
$(STAMP): requirements-dev.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)  ## Run the demonstration: make demo ARGS="..."
	$(VENV)/bin/chatbridge demo $(ARGS)

# Several files at a time, each whole in one process: the fixtures of a file are shared by its tests.
FILES_AT_A_TIME = $(VENV)/bin/python -m pytest --dist loadfile --numprocesses

test: $(STAMP)  ## Run the tests: make test ARGS="-k sandbox"
	$(FILES_AT_A_TIME) 2 $(ARGS)

compiled: $(STAMP)  ## Build the wheel with a compiled core, and run the tests of the core on it; needs a C compiler (3 minutes)
	nice -n 19 $(VENV)/bin/python -m pytest -m compiled tests/packaging --log-cli-level=info $(ARGS)

faults: $(STAMP)  ## Run the tests that break links, brokers and workers on purpose (30 minutes); some of them: DRAWN_BY=1
	$(FILES_AT_A_TIME) 3 -m faults $(if $(DRAWN_BY),--drawn-by=$(DRAWN_BY)) $(ARGS)

field: $(STAMP)  ## Run the tests of faults reported from the field (15 minutes)
	$(VENV)/bin/python -m pytest -m field tests/field $(ARGS)

watching: watching-page watching-alerts  ## Run the tests that need Chromium or Prometheus: the status page, alerts, dashboards, the runbook (6 minutes)

watching-page: $(STAMP)
	$(VENV)/bin/python -m tests.watching.browser_tools
	$(VENV)/bin/python -m pytest -m watching tests/watching/test_status_page.py tests/watching/test_page_pictures.py \
	    tests/watching/test_shown_values.py --timeout=300 $(ARGS)

pictures: $(STAMP)  ## Take the pictures of the status page as its test does, with invented data, and put them into docs/pictures
	$(VENV)/bin/python -m tests.watching.browser_tools
	$(VENV)/bin/python -m pytest -m watching tests/watching/test_page_pictures.py
	$(VENV)/bin/python -m tests.watching.page_pictures

# Debian's package would also start a service: not wanted here.
watching-alerts: $(STAMP)
	@if ! { command -v prometheus && command -v promtool && command -v kubectl; } >/dev/null; then \
	    if [ "$$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then \
	        apt-get update -qq && DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=300 \
	            install -y -qq --no-install-recommends prometheus kubernetes-client >/dev/null; \
	    else \
	        echo "prometheus, promtool or kubectl are missing, and cannot be installed from here (not root, or no apt-get)" >&2; \
	        exit 3; \
	    fi; \
	fi
	$(VENV)/bin/python -m pytest -m watching tests/watching/test_alert_windows.py tests/watching/test_kubernetes_commands.py \
	    tests/watching/test_live_alerts.py $(ARGS)

deploy-checks: $(STAMP)  ## Render and judge the Helm chart and the manifests; installs its tools once (10 minutes)
	nice -n 19 $(VENV)/bin/python -m pytest -m deploy tests/deploy $(ARGS)

manifests: $(STAMP)  ## Write deploy/kubernetes and the copies and settings in the chart
	$(VENV)/bin/python -m tests.deploy

image: $(STAMP)  ## Build the image, run it against a secured Kafka, write its bills of materials to dist (root on Debian)
	$(VENV)/bin/python -m tests.image
	$(VENV)/bin/python -m pytest -m image tests/image tests/packaging --log-cli-level=info $(ARGS)

packages: $(STAMP)  ## Write wheel, source distribution, bill of materials and third-party notices to dist
	$(VENV)/bin/python -m tests.packaging

audit: $(STAMP)  ## Ask PyPI's database for known vulnerabilities of the locked packages ("Error 3": it cannot be asked)
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

detection: $(STAMP)  ## Print what the detectors miss and find falsely, beside Presidio's, which is installed once (5 minutes)
	$(VENV)/bin/python -m tests.detection $(ARGS)

SECONDS ?= 300
chaos: $(STAMP)  ## Random faults for a set time, compared with the ledger: make chaos SECONDS=3600 ARGS="--seed 1 --stored --report FILE"
	$(VENV)/bin/python -m tests.chaos --seconds $(SECONDS) $(ARGS)

upgrade: $(STAMP)  ## Roll three workers to the next version and back, under load: make upgrade SECONDS=600
	$(VENV)/bin/python -m tests.upgrade --seconds $(SECONDS) $(ARGS)

CHATS ?= 10000
ucs: $(STAMP)  ## Follow a table of interactions that is written and workers that are killed: make ucs CHATS=10000 (20 minutes)
	UCS_CHATS=$(CHATS) $(VENV)/bin/python -m pytest -m faults tests/integration/test_followed_table.py --log-cli-level=info $(ARGS)

mutants: $(STAMP)  ## Check that the oracle of chaos and the engine's tests detect deliberate defects (5 minutes)
	$(VENV)/bin/python -m tests.chaos.mutants

# Shrinking a failing example may take five minutes, more than the usual time limit of a test.
explore: $(STAMP)  ## Run the property tests on inputs of a new seed (2 minutes): make explore SEED=1
	@seed=$${SEED:-$$($(VENV)/bin/python -c 'import secrets; print(secrets.randbits(32))')}; \
	echo "seed $$seed"; \
	$(VENV)/bin/python -m pytest --numprocesses 2 -m property --hypothesis-profile=explore --hypothesis-seed=$$seed --timeout=600 || \
	{ echo "to repeat this: make explore SEED=$$seed; what it found becomes an @example of its test" >&2; exit 1; }

fuzz: explore  ## Explore, then fuzz every decoder: make fuzz ARGS="--seconds 600 wire"
	$(VENV)/bin/python -m tests.fuzz $(ARGS)
