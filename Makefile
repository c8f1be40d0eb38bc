# One command for the main job (make sweep), one for the tests (make test); both set up by themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SWEEP ?= sweep.yaml

.PHONY: help setup sweep test test-all check clean
.DEFAULT_GOAL := help

help:
	@echo "make sweep   train the networks of $(SWEEP), then show the front and write report.html"
	@echo "make test    the tests that need nothing but Python, in a few minutes"
	@echo "make test-all  those and the slow ones, with real servers where they are installed"
	@echo "make check   formatting, lint, types"
	@echo "make setup   the virtual environment alone (the others make it as needed)"

setup: $(VENV)/.ready

# torch first and by its exact version: an index may hold a small CPU build under just that version.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "srsweep needs Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>$(VENV).log || { cat $(VENV).log; rm -f $(VENV).log; echo "the venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@rm -f $(VENV).log
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,cluster,postgresql,export,dashboard]'
	@touch $@

sweep: setup
	$(BIN)/srsweep run $(SWEEP)
	$(BIN)/srsweep front $(SWEEP)
	$(BIN)/srsweep report $(SWEEP) -o report.html

# Two processes: most tests wait for one thread of torch.
test: setup
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-all: setup
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) runs cache report.html
