# One command for each thing one does here; every one makes its environment first, once.

PYTHON ?= python3
EXTRAS := dev,demo,bench

VENV := .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/demo
INSTALLED := $(VENV)/installed
LABS := $(VENV)/labs
READY := $(VENV)/ready

# What runs in under a minute on two cores: plans, canonical bytes, the command and the rules of the house.
QUICK := $(addprefix tests/test_,house.py imports.py public_names.py canonical.py) tests/cli/test_main.py \
    $(filter-out tests/plan/test_golden.py,$(wildcard tests/plan/test_[cglmpstv]*.py))

# The kernels in native/ are required where CI runs; elsewhere confide goes without a compiler.
NATIVE ?= $(if $(CI),required,optional)

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

export PIP_BUILD_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

step = @printf '\033[1m==>\033[0m %s\n'

.PHONY: help demo labs setup quick test coverage check wheels fuzz bench readme clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(DEMO) ## rivals learn together, and see who learns what
	@$(BIN)/confide demo

labs: $(LABS) ## lessons in JupyterLab: attacks, then what stops them
	@$(BIN)/python labs/build.py
	@$(BIN)/jupyter lab --notebook-dir=labs/notebooks

setup: $(READY) ## everything that tests and checks need, in .venv (about two minutes)

quick: $(READY) ## the tests to run before each commit (a minute)
	@$(BIN)/pytest -n 2 -q $(QUICK)

test: $(READY) ## every test and every example in the documentation of the code
	$(step) 'Tests'
	@$(BIN)/pytest -n 2

coverage: $(READY) ## every test, and which lines none of them runs
	@$(BIN)/pytest -n 2 -q --cov --cov-report=term --cov-report=html

check: $(READY) ## format, lint, types, layers, public names, and the kernels' C++
	$(step) 'Format (ruff)'
	@$(BIN)/ruff format --check .
	$(step) 'Lint (ruff)'
	@$(BIN)/ruff check .
	$(step) 'Types (mypy)'
	@$(BIN)/mypy src operator/src simulator/src tests $(wildcard examples benchmarks)
	$(step) 'Layers (import-linter)'
	@$(BIN)/lint-imports --no-logo
	$(step) 'Public names (pytest)'
	@$(BIN)/pytest -q tests/test_public_names.py
	@if $(COMPILES); then $(MAKE) -C native check BIN='$(abspath $(BIN))'; \
	else echo 'No C++20 compiler: the kernels are not checked'; fi

wheels: $(READY) ## the kernels for Python 3.11 to 3.13, tried without a compiler
	@$(MAKE) -C native wheels BIN='$(abspath $(BIN))'

fuzz: $(READY) ## hostile bytes for what reads ciphertexts, keys and evidence (90 seconds)
	$(step) 'Fuzzing ciphertexts and keys (atheris)'
	@$(BIN)/python -m tests.he.fuzz --seconds 30
	$(step) 'Fuzzing evidence (atheris)'
	@$(BIN)/python -m tests.tee.fuzz --seconds 60

bench: $(READY) ## measure, one JSON line per run, with the peers (about 15 minutes)
	@$(BIN)/python -m benchmarks peers flower
	@$(BIN)/python -m benchmarks

readme: $(READY) ## write what the README shows of code anew: output, and the picture of a report
	@$(BIN)/python -m tests.documents --write
	@$(BIN)/python -m tests.picture

clean: ## remove the environment, builds and caches
	@rm -rf $(VENV) build dist .hypothesis .import_linter_cache .*_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The first rule makes the environment, the others fill it: the demonstration needs the library
# alone. A change of what is to be installed runs them again.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	    || { echo 'confide needs Python 3.11 or newer: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo 'this Python lacks venv: install it (Debian: python3-venv)' >&2; exit 1; }
	$(step) "Making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)

# Without --no-compile pip would compile all of SciPy, pandas and matplotlib, of which little is used.
$(DEMO): pyproject.toml constraints.txt | $(BIN)/python
	$(step) 'Installing confide (half a minute)'
	@PYTHONUNBUFFERED=1 $(BIN)/python -m pip install --no-compile -c constraints.txt -e '.[demo]' \
	    2> >(grep -v '^WARNING' >&2) | eval "$$BRIEFLY"
	@touch $@

$(LABS): pyproject.toml constraints.txt simulator/pyproject.toml | $(BIN)/python
	$(step) 'Installing confide and JupyterLab (a minute)'
	@PYTHONUNBUFFERED=1 $(BIN)/python -m pip install --no-compile -c constraints.txt -e '.[labs]' -e ./simulator \
	    2> >(grep -v '^WARNING' >&2) | eval "$$BRIEFLY"
	@touch $@

$(INSTALLED): pyproject.toml constraints.txt operator/pyproject.toml simulator/pyproject.toml | $(BIN)/python
	$(step) 'Installing confide and its tools (about a minute)'
	@PYTHONUNBUFFERED=1 $(BIN)/python -m pip install -c constraints.txt -e '.[$(EXTRAS)]' -e ./operator -e ./simulator \
	    2> >(grep -v '^WARNING' >&2) | eval "$$BRIEFLY"
	@touch $@ $(DEMO)

# Older pips take constraints on builds from PIP_CONSTRAINT, newer ones from PIP_BUILD_CONSTRAINT.
$(READY): $(INSTALLED) $(shell find native -type f)
	@if $(COMPILES); then \
	    printf '\033[1m==>\033[0m %s\n' 'Building the kernels (native/, half a minute)'; \
	    PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install -q -c constraints.txt ./native; \
	elif [ '$(NATIVE)' = required ]; then \
	    echo 'no C++20 compiler with Python.h: install them (Debian: g++, python3-dev)' >&2; exit 1; \
	else \
	    echo 'No C++20 compiler with Python.h: confide goes without its kernels, more slowly'; \
	fi
	@touch $@

COMPILES = printf '\#include <concepts>\n\#include <Python.h>\n' | $${CXX:-c++} -std=c++20 \
    -I"$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("include"))')" \
    -fsyntax-only -x c++ - 2>/dev/null

# Of what pip prints, each package's name once, and when files are being written.
define BRIEFLY
while read -r verb name _; do
    case "$$verb $$name" in
        'Collecting '*) name=$${name%%[^A-Za-z0-9_.-]*} ;;
        'Processing '*) name=$${name##*/} name=$${name%%-*} ;;
        'Installing collected') name=$$'\n    unpacking ...\n' ;;
        *) continue ;;
    esac
    printf '%s ' "$$name"
done
endef
export BRIEFLY
