# make setup builds .venv from nothing; the other targets build it first when it is missing or out of date.
# The tests stand in three tiers: `test` holds every promise once, in minutes; `check` adds breadth (the whole catalogue
# where `test` takes a sample, the shipped experiments); `check-long` what takes longest, with new random examples.
#   PYTHON  interpreter that .venv is made from (3.11 or newer)
#   PY      interpreter the targets run with; another one than .venv's is used as it is, nothing is installed:
#           `make gpu PY=python3` tests the checkout with the torch that a GPU machine already has

PYTHON ?= python3
VENV   := .venv
STAMP  := $(VENV)/.installed
PY     := $(VENV)/bin/python
ifeq ($(PY),$(VENV)/bin/python)
READY  := $(STAMP)
else
export PYTHONPATH := $(CURDIR)
endif
# One thread a process: the pytest workers share the cores between them. Bytecode is kept, whatever the shell says:
# else each of the hundreds of processes that tests start would compile the package anew.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(PY) -m pytest -q
# Each worker begins at its own end of the suite, so that what a module of tests prepares is prepared once.
BOTH   := -n 2 --dist worksteal

.DEFAULT_GOAL := setup
.PHONY: setup test check check-long gpu bench reproduce reproduce-full clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "numtoolkit needs Python 3.11 or newer with venv and ensurepip, which '$(PYTHON)' is not;" \
	       "name another: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(VENV)/bin/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

test: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy numtoolkit
	$(PYTEST) $(BOTH) -m 'not check and not long and not gpu' --benchmark-disable

check: $(READY)
	$(PYTEST) $(BOTH) -m 'check and not long'

check-long: $(READY)
	HYPOTHESIS_PROFILE=long $(PYTEST) $(BOTH) -m long

# PARTS="graph noise" asks for some; those that train go on where they stopped, each for less than ten minutes a time.
gpu: $(READY)
	$(PY) analysis/gpu.py $(PARTS)

bench: $(READY)
	$(PYTEST) --benchmark-only tests/bench

# Figures and tables from the results that are kept, of which some are computed again; and all of them from nothing.
# A killed `make reproduce-full` is gone on with by `make reproduce`.
reproduce: $(READY)
	$(PY) -m numtoolkit reproduce --check 16
	$(PY) analysis/paper_repro.py
	$(PY) analysis/gallery.py

reproduce-full: $(READY)
	$(PY) -m numtoolkit reproduce --from-nothing
	$(PY) analysis/paper_repro.py
	$(PY) analysis/gallery.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
