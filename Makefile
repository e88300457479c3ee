# Two commands do everything: `make demo` and `make test`. Each makes the environment it needs.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

ifdef UV
MAKE_VENV = uv venv --quiet --allow-existing --python $(PYTHON) $(VENV)
INSTALL = uv pip install --quiet --python $(BIN)/python
else
MAKE_VENV = $(PYTHON) -m venv $(VENV)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

# What the demo needs on PostgreSQL and Redis.
DEMO_DRIVERS = $(strip $(if $(findstring ://,$(DEMO_DATABASE)),'psycopg[binary]') $(if $(DEMO_CACHE),redis))

# Each of the suite's many processes would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo test test-all coverage fuzz soak stress lint types screenshots docs reference bench build clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## Load 21 years of real activity, serve it on 127.0.0.1:8000 (DEMO_PORT=8001: elsewhere; DEMO_SERVE=0: not at all; VERBOSE=1: more reports; DEMO=b2b: a vendor with forty customers)
	$(if $(DEMO_DRIVERS),@$(INSTALL) $(DEMO_DRIVERS))
	@$(BIN)/python demo/manage.py demo $(if $(VERBOSE),--verbose)

test: $(VENV)/.test ## Test all behaviour on SQLite and on every server that answers, in a few minutes (COVERAGE=1: measure)
	@$(BIN)/python -m tests $(if $(COVERAGE),--coverage)

test-all: $(VENV)/.test ## Test the rest: all time zones, other user models, the browser, broken servers, real data
	@$(BIN)/python -m tests --rest $(if $(COVERAGE),--coverage)

coverage: $(VENV)/.test ## Report what the measured runs have covered
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

fuzz: $(VENV)/.test ## Damage stored sets of users for ten minutes (SECONDS=60: a short form)
	@$(BIN)/python -m tests.fuzz --seconds $(or $(SECONDS),600)

soak: $(VENV)/.test ## Break a site's servers for ten minutes (SECONDS=40: a short form)
	@$(BIN)/python -m tests.soak --seconds $(or $(SECONDS),600)

stress: $(VENV)/.test ## Record, digest, read, prune and erase at once for ten minutes an engine (SECONDS=40: a short form)
	@$(BIN)/python -m tests.concurrency --controls --seconds $(or $(SECONDS),600)

lint: $(VENV)/.dev ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: $(VENV)/.dev ## Check types
	@$(BIN)/mypy

docs: $(VENV)/.dev ## Build the documentation into site/
	@$(BIN)/mkdocs build --quiet --strict

reference: $(VENV)/.demo ## Update docs/reference and docs/openapi.json from the code
	@$(BIN)/python -m tools.reference

screenshots: $(VENV)/.test ## Retake the screenshots in the documentation, with Debian's Chromium
	@$(BIN)/python -m demo.screenshots

bench: $(VENV)/.test ## Compare performance with the algorithm of version 1
	@$(BIN)/python benchmarks/record.py
	@$(BIN)/python benchmarks/count.py

build: $(VENV)/.dev ## Build the packages into dist/ and check them
	@rm -rf dist
	@$(BIN)/python -m build --quiet
	@$(BIN)/twine check --strict dist/*

clean: ## Delete everything that can be rebuilt
	rm -rf $(VENV) .nox build dist site .coverage* demo/*.sqlite3* demo/.login demo/*.csv demo/statement.txt

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "Python %d.%d is too old: run make PYTHON=... with 3.11 or newer." % v[:2])'
	@$(MAKE_VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@$(INSTALL) --editable '.[prometheus]'
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@$(INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/.demo

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@$(INSTALL) --editable '.[dev]'
	@touch $@ $(VENV)/.test $(VENV)/.demo
