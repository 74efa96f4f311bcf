# On a fresh machine `make demo` or `make test` is all there is to do.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-service lint format clean
.DEFAULT_GOAL := demo

demo: $(STAMP)
	$(BIN)/pst demo

# Tests wait for servers and processes much of their time, so a process a core shares them: at most four, for each
# loads torch and has a Prefect server of its own.
test: lint
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist worksteal

# Services on PostgreSQL with worker processes, which take minutes.
test-service: $(STAMP)
	$(BIN)/python -m pytest -m service tests/service

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The stamp says that what pyproject.toml asks for is installed; an edited pyproject.toml is installed anew.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "$(PYTHON) is missing or older than 3.11: run make PYTHON=/path/to/python3.11." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
