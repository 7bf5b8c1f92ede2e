# Everything that a developer or a newcomer runs. `make help` lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
VIEWER := dreamlake_pipeline/viewer
LIBRARIES := $(VIEWER)/static/vendor/.installed

# What a command said is enough: make ends with 1, and adds no line of its own ("*** [Makefile:32: demo] Error 1"). It has no
# other exit code to pass on; `.venv/bin/dreamlake demo DIR` has those of docs/cli.md. At SIGQUIT, make ends so by itself, once its
# recipe, which has to live until make has heard of it, is over. Where SIGQUIT is ignored, it fails as others do, with that line.
QUIETLY_FAIL := { kill -QUIT $$PPID; sleep 1; [ -z "$$(trap -p QUIT)" ]; }

.PHONY: help setup demo browser ray test again bench fuzz torture cluster lint types imports check format lock wheel up down status clean

help: ## List these targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

setup: $(STAMP) $(LIBRARIES) ## Make .venv with everything that requirements.lock pins, and fetch the viewer's libraries

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Set PYTHON=…"; exit 1; }
	@echo "setting up $(VENV): everything in requirements.lock, which takes a minute or two"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@if command -v uv >/dev/null; then \
		uv pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock && \
		uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable . ; \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . ; \
	fi
	@touch $(STAMP)

# What is there already is not fetched again, also where git has given the lock a new time. Without npm's registry,
# everything works but for what the viewer plays and plots, and the next `make setup` tries again.
$(LIBRARIES): $(VIEWER)/package-lock.json $(VIEWER)/vendor.py | $(STAMP)
	@if cat $^ | cmp -s - $@; then touch $@; \
	elif $(BIN)/npm ci --prefix $(VIEWER) --silent --ignore-scripts && $(BIN)/python $(VIEWER)/vendor.py; then cat $^ > $@; \
	else echo "notice: hls.js and uPlot could not be fetched from npm's registry: the viewer plays and plots nothing" \
		"until \`make setup\` has done so"; fi

demo: setup ## Start the stack, ingest a small directory (or DIR=…), show what came out of it
	@$(BIN)/dreamlake demo $(if $(DIR),"$(DIR)") || $(QUIETLY_FAIL)

test: setup ## Run all tests: real Postgres, real S3 server, real ffmpeg, real Dagster
	@$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadgroup

again: setup ## Run once more, one after the other, the tests that failed the last time
	@$(BIN)/python -m pytest --last-failed --last-failed-no-failures none

# Not every machine may or can install it: without it, the tests that play in a browser are skipped, and say so.
browser: ## Install Debian's Chromium for the tests that play in a browser, where that is possible
	@command -v chromium >/dev/null || { \
		test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	} || echo "notice: chromium is missing and could not be installed; tests that play in a browser will be skipped"

# Nothing else needs it: without it, the test that starts a Ray cluster is skipped, and says so.
ray: setup ## Install Ray, of requirements-ray.lock, as a node of a Ray cluster has it
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements-ray.lock

bench: setup ## Measure against s5cmd, ffmpeg, DuckDB and COPY, three quarters of an hour (QUICK=1: small sizes; FULL=1: more)
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick,--document $(if $(FULL),--full))

fuzz: setup ## Feed every parser with broken files for MINUTES=5; findings are kept in fuzz/findings
	@nice $(BIN)/python -m fuzz --minutes $(or $(MINUTES),5) $(TARGETS)

torture: setup ## Ingest for MINUTES=10 while everything is killed, stopped and cut off; SEED=… repeats the faults of a run
	@$(BIN)/python -m torture --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED)) $(KINDS)

cluster: setup ## Run on a Ray cluster in network namespaces and break it: as root, with Ray; KINDS="kill-node …", FILES=600
	@$(BIN)/python -m cluster --files $(or $(FILES),600) $(if $(SEED),--seed $(SEED)) $(KINDS)

lint: setup ## Style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: setup ## Types of Python, and of the viewer's scripts
	@$(BIN)/mypy
	@$(BIN)/node $(VIEWER)/node_modules/typescript/bin/tsc --project $(VIEWER)

imports: setup ## Who may import whom
	@$(BIN)/lint-imports

check: lint types imports test ## All of the above, as CI runs it

format: setup ## Format the code
	@$(BIN)/ruff check --fix-only --quiet . ; $(BIN)/ruff format .

lock: ## Resolve pyproject.toml and the viewer's package.json again, and write their locks
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --group dev --extra kubernetes \
		--no-emit-index-url --custom-compile-command "make lock" --output-file requirements.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra ray \
		--constraint requirements.lock --no-emit-index-url --custom-compile-command "make lock" \
		--output-file requirements-ray.lock pyproject.toml
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra kubernetes \
		--constraint requirements.lock --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
		--output-file deploy/requirements.lock pyproject.toml
	@$(BIN)/npm install --prefix $(VIEWER) --package-lock-only --silent

wheel: setup ## Make dist/*.whl: the package with the viewer's libraries and what is in deploy/
	@rm -rf build/lib dist/dreamlake_pipeline-*.whl
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

up: setup ## Start the embedded stack
	@$(BIN)/dreamlake up

down: setup ## Stop the embedded stack
	@$(BIN)/dreamlake down

status: setup ## What the embedded stack is doing
	@$(BIN)/dreamlake status

clean: ## Remove .venv and caches (never any data)
	rm -rf $(VENV) $(VIEWER)/node_modules $(VIEWER)/static/vendor build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
