# One command per purpose; each sets up what it needs. See CONTRIBUTING.md.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAB := $(BIN)/python -m tests.e2e.lab

.PHONY: test lint types unit demo rules bench fuzz docs clean

test: lint types unit

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/ready
	$(BIN)/mypy

unit: $(VENV)/ready
	$(LAB) setup
	$(LAB) run -- $(BIN)/python -m pytest $(PYTEST)

demo: $(VENV)/ready
	@$(LAB) setup > /dev/null
	@$(LAB) run -- $(BIN)/python -m tests.demo

rules: $(VENV)/ready
	$(LAB) setup
	$(BIN)/python -m tests.rules

bench: $(VENV)/ready
	$(LAB) setup
	$(LAB) run -- $(BIN)/python -m tests.bench

docs: $(VENV)/ready
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d docs/_build/doctrees docs docs/_build/html
	@echo docs/_build/html/index.html

# The virtual environment, made anew when what it holds has changed.
$(VENV)/ready: setup.cfg pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) .lab build dist *.egg-info docs/_build
