# The whole interface: make setup, make up, make test. Everything else is a convenience.
PYTHON ?= python3
BIN := .venv/bin
# Each process would compile what it imports again: a second at every start.
unexport PYTHONDONTWRITEBYTECODE
UV := $(BIN)/uv
# How often `make stress` repeats, and what.
TIMES ?= 5
SUITES ?= tests/competitions tests/crunchsite/stack tests/e2e tests/feeds tests/scoring
# In CI the commit draws the order and the examples, so that the same command at the same commit repeats a failure.
SEED = $(shell printf '%d' 0x$$(git rev-parse --short=7 HEAD || echo 0))

.PHONY: setup up test browser stress drills live attack bench coverage mutants lint types migrations lock wheel audit sbom env-example openapi docs clean

setup: .venv/.dev

# uv is pinned and hashed like the rest; pip brings it and nothing else.
$(UV): | .venv
	@sed -n '/^uv==/,/[^\\]$$/p' requirements/dev.txt > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement .venv/uv.txt \
		|| { echo "The packages could not be fetched: this needs a network, or an index of yours (PIP_INDEX_URL, UV_INDEX_URL). Run make again then."; exit 1; }

.venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "crunchsite needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": run make with PYTHON=/path/to/python3.11")'
	@echo "Making .venv ..."
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "Python's venv is missing: on Debian, apt install python3-venv."; exit 1; }

# What the site runs on.
.venv/.run: requirements/base.txt | $(UV)
	@echo "Installing what the site runs on into .venv ..."
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes --requirement $<
	@touch $@

# The same, and what it is developed and tested with.
.venv/.dev: requirements/dev.txt | $(UV)
	@echo "Installing what the site runs on and is tested with into .venv ..."
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes $<
	@touch .venv/.run $@

up: .venv/.run
	@exec $(BIN)/python manage.py up

# What reads the code takes one core: all of it at once takes half the time.
test: setup
	@$(MAKE) --no-print-directory --jobs --output-sync lint types migrations
	$(BIN)/pytest -m "not browser and not faults and not live" --numprocesses auto --dist worksteal $(if $(CI),-p randomly --randomly-seed=$(SEED) --hypothesis-seed=$(SEED))

# No server runs here, and none is needed to compare models with migrations.
migrations: setup
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

stress: setup
	$(BIN)/python -m tests.stress --times $(TIMES) -- --numprocesses auto $(SUITES)

# Kills, outages and a full disk against the running site, each against an undisturbed run.
drills: setup
	DRILLS=1 $(BIN)/pytest tests/faults tests/scoring/test_killed.py tests/proofs/test_sealing.py

# Each pack from `init` to a scored board: by the clone, a vendored copy and the wheel.
live: setup
	LIVE=1 $(BIN)/pytest -m live tests/e2e

# Hostile models, uploads, requests, orchestrators and staff, and a table of what was seen.
attack: setup
	ATTACKS=1 $(BIN)/pytest tests/attacks tests/crunchsite -k "attacks or fuzz"

# Pages in Chromium.
browser: setup
	$(BIN)/pytest -m browser

# Our services against the least work that leaves the same rows.
bench: setup
	@for name in predict score tournament leaderboard metrics checkpoint merkle bundle backtest ingest parquet gateway livepool api; do \
		$(BIN)/python -m benchmarks $$name || exit 1; \
	done

# Lines and branches that no test runs.
coverage: setup
	$(BIN)/pytest -m "not browser and not faults and not live" --numprocesses auto --dist worksteal --cov --cov-report=term-missing:skip-covered

# Small changes of the code, one at a time: which does a test notice? (tests/mutants.toml)
mutants: setup
	$(BIN)/python -m tests.mutants $(FILES)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup
	$(BIN)/mypy .

# Compiles the pins, with hashes, for Python 3.11 to 3.13; no registry address ends up in them.
lock: setup
	@for set in base:"--extra embedded" prod:"" dev:"--all-extras"; do \
		$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
			$${set#*:} --output-file requirements/$${set%%:*}.txt pyproject.toml || exit 1; \
	done

# The engine as a package, for thin nodes.
wheel: setup
	@$(UV) build --wheel --offline --no-config --python $(BIN)/python --out-dir dist .

# Known vulnerabilities of the pins, and what the site is made of (CycloneDX).
audit: setup
	@$(BIN)/python scripts/audit.py

sbom: setup
	@mkdir -p var
	@$(BIN)/cyclonedx-py requirements requirements/prod.txt --output-reproducible --output-file var/sbom.json
	@echo "var/sbom.json"

# The API's schema as it is committed; a test says when it is behind.
openapi: setup
	$(BIN)/python manage.py spectacular --format openapi-json --file docs/integrator/openapi.json

env-example: setup
	$(BIN)/python -m crunchsite.settings.example > .env.example

# Draws the imports, then looks whether the links, commands and names of the docs exist.
docs: setup
	$(BIN)/python -m scripts.imports
	$(BIN)/pytest --quiet tests/docs

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
