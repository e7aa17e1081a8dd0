# Every target in a line: `make help`. All of them are idempotent and quick the second time.

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
FLASK := $(BIN)/flask --app wsgi
CATALOGUES := $(patsubst %.po,%.mo,$(wildcard config/translations/*/LC_MESSAGES/*.po))
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup run reset simulate demo test check bench lock migrate tools browser

help: ## list every target
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/runtime.stamp $(CATALOGUES) ## the virtual environment, from locked dependencies

run: setup ## simulator, web application and scheduler on SQLite, with a provider and trade to look at
	@$(BIN)/python -m config.processes

reset: ## forget everything `make run` made
	@if [ -f $(VENV)/runtime.stamp ]; then $(BIN)/python -m config.processes --forget; else rm -rf var; fi

simulate: setup ## WeChat Pay's side alone, for an SDK in any language
	@$(BIN)/python -m partner.simulator --home var/simulator --port $${SIMULATOR_PORT:-8001}

demo: setup ## load the demo provider into the configured database; `make simulate` must be running
	@$(BIN)/python -m config.processes --prepare
	@$(FLASK) demo load

test: setup tools browser ## every test, on each database that answers
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal

check: setup tools ## format, lint, types, floors, translations, migrations
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy .
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/architecture -k "not postgresql and not mysql"

bench: setup tools ## ratios to the floors and to the usual way, printed as a table (QUICK=1 for a short run)
	@$(BIN)/python -m tests.benchmarks

lock: tools ## resolve requirements*.in anew, with hashes
	$(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header requirements-dev.in -o requirements-dev.txt

migrate: setup tools ## a new migration out of changed models: make migrate MESSAGE="what changes"
	@test -n "$(MESSAGE)" || { echo 'Say what changes: make migrate MESSAGE="…"' >&2; exit 1; }
	@$(BIN)/python -m config.processes --prepare
	@set -a; . var/run.env; set +a; rm -f var/migrate.sqlite; \
	  export DATABASE_URL="sqlite:///$(CURDIR)/var/migrate.sqlite"; \
	  $(FLASK) db upgrade && $(FLASK) db migrate -m "$(MESSAGE)" --rev-id "$$(printf %04d $$(($$(ls config/migrations/versions | grep -c '\.py$$') + 1)))"
	@$(BIN)/ruff check -q --fix config/migrations && $(BIN)/ruff format -q config/migrations

tools: $(VENV)/development.stamp

browser: tools
	@$(BIN)/python -m tests.browser

$(VENV)/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed; '$(PYTHON)' is not one. Name it: make $(firstword $(MAKECMDGOALS)) PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "The virtual environment cannot be made. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/runtime.stamp: requirements.txt | $(VENV)/python.stamp
	@echo "Installing what runs (locked, once) …"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements.txt
	@touch $@

$(VENV)/development.stamp: requirements-dev.txt | $(VENV)/runtime.stamp
	@echo "Installing what checks (locked, once) …"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.txt
	@touch $@

%.mo: %.po | $(VENV)/runtime.stamp
	@$(BIN)/python -m config.i18n
