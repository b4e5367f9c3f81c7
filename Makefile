# Everything a developer needs, on a machine with only Python 3.11 (or newer), pip, make and git.
#   make test                   the whole suite, with the coverage gate
#   make test PYTHON=python3.12 with a particular interpreter
#   make test ARGS="-k flight"  with more arguments for pytest

.DEFAULT_GOAL := help
SHELL := /bin/sh

PYTHON ?=
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help install demo cassettes test test-range stress lint format bench docs build clean

help: ## Say what there is to run
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP) ## Make .venv and install the package and the development tools in it

# Made anew whenever pyproject.toml is newer. A Python without ensurepip (Debian, Ubuntu) gets its pip from the outer
# one; where even that fails, virtualenv is fetched.
$(STAMP): pyproject.toml
	@set -eu; \
	python=''; \
	for candidate in $(if $(PYTHON),"$(PYTHON)",python3.11 python3.12 python3.13 python3.14 python3 python); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python="$$candidate"; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	  echo "insights needs Python 3.11 or newer, and $(if $(PYTHON),'$(PYTHON)' is none,no python3.11 to python3.14 or python3 on PATH is one)." >&2; \
	  echo "Install it, or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
	  exit 1; \
	fi; \
	rm -f $(STAMP); \
	if [ ! -x $(BIN)/python ] || ! $(BIN)/python -m pip --version >/dev/null 2>&1; then \
	  rm -rf $(VENV); \
	  echo "Creating $(VENV) with $$python ($$("$$python" -c 'import platform; print(platform.python_version())'))"; \
	  "$$python" -m venv $(VENV) 2>/dev/null \
	  || { rm -rf $(VENV); "$$python" -m venv --without-pip $(VENV) 2>/dev/null && "$$python" -m pip --python $(BIN)/python install --quiet pip; } \
	  || { rm -rf $(VENV); "$$python" -m virtualenv --quiet $(VENV) 2>/dev/null; } \
	  || { "$$python" -m pip install --quiet --user virtualenv && "$$python" -m virtualenv --quiet $(VENV); } \
	  || { rm -rf $(VENV); echo "Could not make a virtual environment with $$python: install its venv module, or virtualenv." >&2; exit 1; }; \
	fi; \
	echo "Installing the package and the development tools"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'; \
	touch $(STAMP)

demo: $(STAMP) ## A short tour that needs no key and no network
	@$(BIN)/python docs/demo.py

cassettes: $(STAMP) ## Record cassettes/ anew, from the wire simulator in tests/simulator
	@$(BIN)/python -m tests.record_cassettes

test: $(STAMP) ## The whole suite, offline, with the coverage gate
	@$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=term-missing:skip-covered $(ARGS)

test-range: $(STAMP) ## The conformance tests under the oldest and newest litellm allowed (installs both)
	@$(BIN)/python -m pytest -m slow tests/packaging/test_litellm_range.py $(ARGS)

lint: $(STAMP) ## ruff and mypy over everything, tests included
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(STAMP) ## Let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

stress: $(STAMP) ## The cache under kill -9, many processes and Hypothesis in full (some minutes)
	@INSIGHTS_STRESS=full INSIGHTS_STRESS_EXAMPLES=10000 INSIGHTS_STRESS_RUNS=200 INSIGHTS_STRESS_STEPS=50 \
	  $(BIN)/python -m pytest tests/stress tests/unit/cache -q -s $(ARGS)

bench: $(STAMP) ## Measure import and call times against litellm
	@$(BIN)/python -m tests.benchmarks $(ARGS)

docs: $(STAMP) ## The documentation, in build/docs; every warning is an error
	@$(BIN)/python docs/providers_table.py
	@$(BIN)/python -m sphinx -b html -E -W -n --keep-going -q docs build/docs
	@echo "build/docs/index.html"

build: $(STAMP) ## sdist and wheel in dist/
	@$(BIN)/python -m build --no-isolation

clean: ## Remove everything that can be made again
	rm -rf $(VENV) .cache build dist htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
