# One command each; `make help` lists them. Nothing here needs root, but chromium for the browser tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AXE := .tools/node_modules/axe-core/axe.min.js
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet

# Compiled tests are kept, whatever the shell says: compiling them is half of a short run.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test test-fast test-all pictures faults browsers test-postgres check format lint types bench bench-short screenshots seed lock translations clean

help: ## List what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

run: $(VENV)/ready ## Set up what is missing, then serve pages and send mail until Ctrl-C
	@$(BIN)/flask db upgrade 2>/dev/null || $(BIN)/flask db upgrade
	@exec $(BIN)/flask serve

test: tests ## Run the tests that `make check` runs: every quick one, and of the long ones those whose turn it is (tests/turns.py)

test-all: $(VENV)/ready-dev browser ## Run every test, whosever turn it is
	@$(BIN)/pytest -n 2 --dist loadgroup tests

test-fast: $(VENV)/ready-dev ## Run the quick ones: no browser, no kills, no copies of the tree, nothing that takes long (tests/turns.py)
	@$(BIN)/pytest -n 2 --dist worksteal -m "not browser and not kill and not recipe and not slow and not long" tests

faults: $(VENV)/ready-dev ## The long form: kills and made-up inputs, ten times as many as in the suite, every set of roles, the whole recipe; writes docs/faults.md
	@$(BIN)/python -m tests.promises faults
	@$(BIN)/pytest --full -n 2 --dist loadgroup -m "kill or faults or recipe" tests

browsers: $(VENV)/ready-dev browser ## The long form: every scene in every light at every width, the journeys in Firefox too
	@$(BIN)/pytest --full -n 2 --dist loadgroup -rs -m browser tests

test-postgres: $(VENV)/ready-dev ## Run the same tests on a PostgreSQL of their own (Debian's packages)
	@$(BIN)/python -m tests.postgres

check: $(VENV)/ready-dev ## The one gate: format, lint, types, architecture, tests, side by side
	@$(MAKE) --no-print-directory --keep-going --jobs 2 static tests

STATIC := check-format check-lint check-types check-imports check-templates check-pins
.PHONY: static tests $(STATIC)

# (part of check) All that runs nothing of ours. What it says comes in one piece, between the lines of the tests.
static: $(VENV)/ready-dev
	@said=$$($(MAKE) --no-print-directory --keep-going $(STATIC) 2>&1) || { printf '%s\n' "$$said"; exit 1; }
	@echo "format, lint, types, imports, templates, pins: nothing wrong"

tests: $(VENV)/ready-dev browser
	@$(BIN)/pytest --turn -n 2 --dist loadgroup tests

check-format:
	@$(BIN)/ruff format --check --quiet .

check-lint:
	@$(BIN)/ruff check --quiet .

check-types:
	@$(BIN)/mypy --no-error-summary

check-imports:
	@$(BIN)/lint-imports --no-cache

check-templates:
	@$(BIN)/djlint templates --lint --quiet

check-pins:
	@! grep -nE '://|--(extra-)?index|find-links' requirements*.txt

format: $(VENV)/ready-dev ## Put the code in its usual form
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

bench: $(VENV)/ready-dev ## Measure: a table of medians and ratios (python -m bench.lighthouse for the public pages)
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench.growth
	@$(BIN)/python -m bench.editions
	@$(BIN)/python -m bench.registry --web

bench-short: $(VENV)/ready-dev ## The same in a few minutes: one round, 100,000 rows, fewer readers
	@$(BIN)/python -m bench --short
	@$(BIN)/python -m bench.growth --short
	@$(BIN)/python -m bench.editions --short

screenshots: $(VENV)/ready-dev ## Photograph the pages into screenshots/ (--docs renews those in docs)
	@$(BIN)/python -m tests.screenshots

seed: $(VENV)/ready ## Fill an empty portal with a believable demo world
	@$(BIN)/flask db upgrade 2>/dev/null || $(BIN)/flask db upgrade
	@$(BIN)/flask seed

translations: $(VENV)/ready-dev ## Gather the words to translate; fails, with a list, until Spanish has them all
	$(BIN)/pybabel -q extract -F portal/translations/babel.cfg -k lazy_gettext -k _l --no-location --sort-output \
		--msgid-bugs-address=none -o portal/translations/messages.pot .
	$(BIN)/pybabel -q update -i portal/translations/messages.pot -d portal/translations --no-fuzzy-matching \
		--ignore-pot-creation-date
	$(BIN)/pytest -q -n0 tests/newsletter/test_spanish.py -k "translat"

pictures: $(VENV)/ready-dev ## Draw the pictures of the evidence anew, after a change of evidence.yaml
	$(BIN)/python -m drawings

lock: $(VENV)/ready-dev ## Pin the newest versions, with hashes
	$(COMPILE) --upgrade requirements.in -o requirements.txt
	$(COMPILE) --upgrade requirements-postgres.in -o requirements-postgres.txt
	$(COMPILE) --upgrade requirements-redis.in -o requirements-redis.txt
	$(COMPILE) --upgrade requirements-dev.in -o requirements-dev.txt

$(VENV)/ready: requirements.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready requirements-dev.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

.PHONY: browser
browser: ## (part of test) See that there is a Chromium and axe-core, fetch them where we may
	@$(BIN)/python -m tests.browser_tools

clean: ## Forget what was installed (never the data)
	rm -rf $(VENV) .tools .mypy_cache .ruff_cache .hypothesis
