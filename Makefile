# Everything runs in .venv, which is made on first use and remade when pyproject.toml changes.
# Needs make and Python 3.11 or newer, nothing else.  make help lists the targets.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
SHELL  := /bin/sh
MAKEFLAGS += --no-print-directory

# A spinning OpenMP thread that waits on a busy machine can cost several times the work itself.
export OMP_WAIT_POLICY ?= PASSIVE

# The stamp holds the folder it was made in: scripts in a virtual environment name it, so a moved
# clone needs a new installation, and so does one whose Python has gone.
ifneq ($(shell $(BIN)/python -c "" 2>/dev/null && cat $(STAMP) 2>/dev/null),$(CURDIR))
$(STAMP): stale
endif

.PHONY: install demo test lint peers bench clean help stale
.DEFAULT_GOAL := help

install: $(STAMP)  ## make .venv with acclimate and the tools that check it
	@echo "$(BIN)/acclimate is ready"

demo: $(STAMP)  ## train the built-in task and write its report (about three minutes)
	@$(BIN)/acclimate demo

test: lint  ## style, types and tests
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(STAMP)  ## style and types only
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy

# Without what they depend on: the tests need their layers alone, and torch stays as it is.
peers: $(STAMP)  ## other libraries' layers, which some tests compare ours with
	@$(BIN)/python -m pip install -q --no-deps pytorch-adapt==0.0.83 skada==0.6.0 \
		pytorch-metric-learning tqdm skorch tabulate pandas torchmetrics adapt==0.4.5

bench: $(STAMP)  ## speed of a training step beside a plain PyTorch loop
	@$(BIN)/acclimate bench step

clean:  ## remove .venv and everything that tools left behind
	@rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*  ## \(.*\)/make \1|\2/p' Makefile | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

stale:

# Each line leaves something that the next call can build on, so an interrupted installation is
# finished by calling make again.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "error: acclimate needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)." >&2; \
	  echo "       Install one, then: make install PYTHON=/path/to/python3.12" >&2; exit 1; }
	@rm -f $(STAMP)
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@# Without an NVIDIA GPU the plain Linux wheel of torch would bring gigabytes of CUDA for nothing.
	@if [ "$$(uname -s)" = Linux ] && ! command -v nvidia-smi >/dev/null 2>&1 \
	    && ! $(BIN)/python -c "import importlib.metadata as m; m.version('torch')" 2>/dev/null \
	    && $(BIN)/python -c "from urllib.request import urlopen as get; \
	      get('https://download.pytorch.org/whl/cpu/torch/', timeout=5)" 2>/dev/null; then \
	  $(BIN)/python -m pip install -q --extra-index-url https://download.pytorch.org/whl/cpu 'torch>=2.6' 'torchvision>=0.21' || true; \
	fi
	@echo "installing acclimate and its libraries into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install -q -e '.[dev]'
	@printf '%s' "$(CURDIR)" > $(STAMP)
