# The whole interface: make setup, make up, make test. Everything else is a convenience.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: setup up test lint types lock env-example clean

setup: $(STAMP)

$(STAMP): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "crunchsite needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": run make with PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing the pinned packages into .venv (a minute on first use) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@touch $@

up: setup
	@exec $(BIN)/python manage.py up

test: setup lint types
	@# No server runs here, and none is needed to compare models with migrations.
	$(BIN)/python -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run
	$(BIN)/pytest -m "not browser"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: setup
	$(BIN)/mypy .

# Compiles the pins, with hashes, for Python 3.11 to 3.13; no registry address ends up in them.
lock: setup
	@for set in base:"" prod:"--extra prod" dev:"--extra prod --extra dev"; do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
			$${set#*:} --output-file requirements/$${set%%:*}.txt pyproject.toml || exit 1; \
	done

env-example: setup
	$(BIN)/python -m crunchsite.settings.env > .env.example

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
