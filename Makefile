# make run: install, migrate and serve. make test: install what tests need and run all of them.
PYTHON ?= python3
BIN := .venv/bin
# Tests wait for a third of the time: two workers more than there are processors. A file's tests stay
# together, since they share a server; tests/conftest.py says in which order the files are handed out.
PARALLEL ?= -n $$(( $$(nproc) < 4 ? $$(nproc) + 2 : 6 )) --dist loadfile --no-loadscope-reorder
MANAGE := $(BIN)/python manage.py
# Without compiled files every process of the tests would compile our code anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-long bench lint install install-cluster install-fast install-dev system-dev openapi requirements screenshots clean

help: ## show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: install ## serve the dashboard and the API on http://127.0.0.1:8765 (HIVE_PORT changes it)
	@exec $(MANAGE) hive up

test: install-dev system-dev ## run all tests; PYTEST="-k name" for some of them
	$(BIN)/python -m pytest $(PARALLEL) $(PYTEST)
	$(BIN)/python -m tests.on_postgresql $(PARALLEL) $(PYTEST)

test-long: install-dev system-dev ## the full-length runs of tests/chaos and tests/cluster
	$(BIN)/python -m pytest --run-long tests/chaos tests/cluster $(PYTEST)

bench: install-dev system-dev ## every goal of docs/performance.md in one table: half an hour
	$(BIN)/python -m bench

lint: install-dev ## ruff, mypy --strict, import contracts, Django's checks
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(MANAGE) check
	HIVE_ENV_FILE=deploy/container/hive.env HIVE_STATE_DIR=var/state \
		$(MANAGE) check --deploy --fail-level WARNING
	$(MANAGE) makemigrations --check --dry-run

install: .venv/installed ## the virtual environment with the pinned dependencies
install-dev: .venv/installed-dev ## the same and what tests and lint need

.venv/installed: requirements.txt scripts/install.sh
	@PYTHON="$(PYTHON)" scripts/install.sh requirements.txt $@

install-cluster: .venv/installed-cluster ## the same as install, and what PostgreSQL and Redis need

.venv/installed-cluster: requirements-cluster.txt scripts/install.sh
	@PYTHON="$(PYTHON)" scripts/install.sh requirements-cluster.txt $@
	@touch .venv/installed

install-fast: .venv/installed-fast ## the same as install, and what hive up --server uvicorn needs

.venv/installed-fast: requirements-fast.txt scripts/install.sh
	@PYTHON="$(PYTHON)" scripts/install.sh requirements-fast.txt $@
	@touch .venv/installed

.venv/installed-dev: requirements-dev.txt scripts/install.sh
	@PYTHON="$(PYTHON)" scripts/install.sh requirements-dev.txt $@
	@touch .venv/installed

system-dev: install-dev ## programs the tests use: Chromium, Rust, PostgreSQL, Redis, jq, curl ...
	@scripts/install-test-tools.sh

openapi: install-dev ## write docs/openapi.json, the API's description, from the code
	$(MANAGE) export_openapi_schema --api sessions_app.api.app.api --indent 2 --output docs/openapi.json
	@echo >>docs/openapi.json

screenshots: install-dev system-dev ## take the pictures of docs/screenshots anew; then look at them
	$(BIN)/python -m tests.screenshots

requirements: install-dev ## pin the dependencies of pyproject.toml anew, with hashes
	$(BIN)/python -m pip install -q pip-tools
	$(BIN)/pip-compile -q --upgrade --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		-o requirements.txt pyproject.toml
	$(BIN)/pip-compile -q --upgrade --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--extra cluster -o requirements-cluster.txt pyproject.toml
	$(BIN)/pip-compile -q --upgrade --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--extra fast -o requirements-fast.txt pyproject.toml
	$(BIN)/pip-compile -q --upgrade --generate-hashes --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--extra cluster --extra fast --extra dev -o requirements-dev.txt pyproject.toml

clean: ## remove the virtual environment and caches; var/ with your sessions stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
