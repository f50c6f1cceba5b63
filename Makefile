# make test, make demo: need Python 3.11 or later and make, nothing else; the first call makes .venv and fills it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
PYTEST_OPTIONS ?= -n 2

.PHONY: test test-batch test-slow demo lint completions clean
.DELETE_ON_ERROR:

# Bytecode is kept, whatever the environment says: each of some hundred processes would compile it anew.
test test-batch test-slow: export PYTHONDONTWRITEBYTECODE :=

test: $(INSTALLED)
	$(BIN)/pytest $(PYTEST_OPTIONS)

# On a real Slurm and a real HTCondor, started on this machine by scripts that are looked for in ../shared/batch.
test-batch: $(INSTALLED)
	$(BIN)/pytest tests/batch_systems

# Commands killed at random moments, disks that fill, reads that fail: half an hour of processor time.
test-slow: $(INSTALLED)
	$(BIN)/pytest $(PYTEST_OPTIONS) tests/slow

demo: $(INSTALLED)
	PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo/demo.sh

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# zsh wants #compdef on the first line, hence without the blank line that comes before it.
completions: $(INSTALLED)
	for shell in bash zsh fish; do \
	    _CUTFLOW_COMPLETE=source_$$shell $(BIN)/cutflow | sed '/./,$$!d' > completions/cutflow.$$shell || exit 1; \
	done

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "cutflow needs Python 3.11 or later; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[plots,test,dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist demo .pytest_cache .hypothesis .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
