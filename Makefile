# The commands of this project. On a fresh machine each of them needs Python >= 3.11 with venv, git and make; nothing else.
# `make setup` is run by every other command; it does nothing when the lock files have not changed.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin

# Hashes are checked by both installers; only the files named in the lock can come in.
# BUILDING: pyspf comes as source only; the setuptools of requirements.lock, there by then, builds it.
ifdef UV
VENV = uv venv --quiet --clear --no-python-downloads --python "$(PYTHON)" .venv
INSTALL = VIRTUAL_ENV=.venv uv pip install --quiet --require-hashes -r
BUILDING = --no-build-isolation
ITSELF = VIRTUAL_ENV=.venv uv pip install --quiet --no-deps --no-build-isolation --editable .
else
VENV = "$(PYTHON)" -m venv --clear .venv
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r
BUILDING = --no-build-isolation --use-pep517
ITSELF = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
endif

.PHONY: setup run test check e2e bench docs lock clean
.DEFAULT_GOAL := setup

setup: .venv/.ready
run: setup
	@$(BIN)/mailcheck serve
test: .venv/.ready-dev
	@$(BIN)/python -m pytest -n 2 --dist worksteal
check: .venv/.ready-dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports \
		&& $(BIN)/vulture && $(BIN)/python -m tests.module_size \
		&& $(BIN)/python -m tests.catalog_age
e2e: .venv/.ready-dev
	@tests/e2e/run
bench: .venv/.ready-dev
	@$(BIN)/python -m benchmarks
docs: .venv/.ready
	@$(BIN)/python -m bot.finding_reference > docs/checks.md
	@$(BIN)/python -m bot.list_reference > docs/lists.md
clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

# Rewrites both lock files from pyproject.toml; needs uv. They name no package index.
LOCK = uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --quiet --group build
lock:
	$(LOCK) pyproject.toml -o requirements.lock
	$(LOCK) pyproject.toml --group dev -o requirements-dev.lock

.venv/.made:
	@test -n "$(PYTHON)" || { echo "mailcheck needs Python 3.11 or newer; none was found on PATH." >&2; exit 1; }
	@echo "Setting up .venv (once) ..." >&2
	@$(VENV)
	@touch $@

.venv/.ready: .venv/.made requirements.lock
	@$(INSTALL) requirements.lock
	@$(ITSELF)
	@touch $@

.venv/.ready-dev: .venv/.ready requirements-dev.lock
	@$(INSTALL) requirements-dev.lock $(BUILDING)
	@touch $@
