# One command for the main job (make sweep) and one for the tests (make test). Both set up the environment if needed.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SWEEP ?= sweep.yaml
TORCH ?= 2.13.0
LOWEST := .venv-lowest
# A folder of wheels, for machines without a network. It must hold all wheels that `make setup` installs, and setuptools.
WHEELS ?=
PIP := $(BIN)/pip install --quiet --disable-pip-version-check $(if $(WHEELS),--no-index --find-links $(WHEELS))
# A number: `make test-all` then runs a sixth of the slow tests and half of those of clusters.
SHARE ?=
# Options of benchmarks/gpu.py, such as GPU="--minutes 25" or GPU="--device cpu --short".
GPU ?=

# Python writes its compiled files even where the environment forbids it: the tests start hundreds of processes, and pytest
# compiles its 500 files again at each run.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help setup sweep test test-all test-lowest gpu check clean
.DEFAULT_GOAL := help

help:
	@echo "make sweep        trains the networks of $(SWEEP), prints the front and writes report.html"
	@echo "make test         runs the quick tests, which need nothing but Python"
	@echo "make test-all     runs the slow tests too, with real servers where they are installed;"
	@echo "                  SHARE=K runs a share of the slow tests; any number K names one"
	@echo "make test-lowest  runs the quick tests with the lowest versions that pyproject.toml promises"
	@echo "                  (torch stays at $(TORCH); TORCH=lowest takes the promised one)"
	@echo "make gpu          measures everything that needs a CUDA device, in pieces that can be resumed;"
	@echo "                  WHEELS=FOLDER installs without a network, GPU='--device cpu --short' rehearses"
	@echo "make check        checks formatting, lint and types"
	@echo "make setup        makes the virtual environment; the other targets call it"

setup: $(VENV)/.ready

# torch comes first, with its exact version, because an index may hold a small CPU build of that version only.
# pip compiles 18,000 files on one core, which is half of the installation. All cores compile those that are imported;
# modules that are not compiled here would warn when they are imported, and the tests treat warnings as errors.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "srsweep needs Python 3.11 or newer: make PYTHON=python3.11 ..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) 2>$(VENV).log || { cat $(VENV).log; rm -f $(VENV).log; echo "the venv module is missing; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@rm -f $(VENV).log
	$(PIP) --no-compile torch==2.13.0
	$(PIP) --no-compile -c constraints.txt -e '.[dev,cluster,postgresql,export,dashboard]'
	@$(BIN)/python -W ignore -m compileall -qq -j 0 -x 'site-packages/.*/tests/' $(VENV)/lib || true
	@touch $@

sweep: setup
	$(BIN)/srsweep run $(SWEEP)
	$(BIN)/srsweep front $(SWEEP)
	$(BIN)/srsweep report $(SWEEP) -o report.html

# Two processes, because each test keeps about one core busy. The tests of clusters come after the others: they start
# many processes, and with a third test at the same time everything took several times as long. They form two groups,
# one for each process.
test: setup
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-all: setup
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not cluster" $(if $(SHARE),--share $(SHARE)/6)
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m cluster $(if $(SHARE),--share $(SHARE)/2) tests/cluster tests/chaos tests/sweeps/drivers

gpu: setup
	$(BIN)/python -m benchmarks.gpu $(GPU)

# Old releases warn about things that we cannot fix. With -W default, such warnings do not fail a test.
test-lowest: $(LOWEST)/.ready
	$(LOWEST)/bin/python -m pytest -q -n 2 -m "not slow" -W default

$(LOWEST)/.ready: pyproject.toml constraints.txt tools/lowest_versions.py
	$(PYTHON) -m venv --clear $(LOWEST)
	$(PYTHON) tools/lowest_versions.py --torch $(TORCH) >$(LOWEST)/requirements.txt
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check "$$(grep ^torch== $(LOWEST)/requirements.txt)"
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check -r $(LOWEST)/requirements.txt
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) $(LOWEST) runs cache report.html
