# Everything a newcomer or a test machine runs. `make` alone lists the targets.
#
#   PYTHON=python3.12 make demo     which Python builds .venv (3.11 or later)
#   make test ARGS="-k toy -x"      further arguments for the program behind a target

PYTHON ?= python3
ARGS ?=
VENV := .venv
RUN := $(VENV)/bin/python

# A thread that waits for work must not take the processor from one that has some.
export OMP_WAIT_POLICY := PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo figures notebooks test lint bench clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.package  ## train ERM and FGMix on real images and draw their first loss surface
	$(RUN) -m landscape.demo $(ARGS)

figures: $(VENV)/.package  ## train what is missing and draw every figure and table (quick preset: within an hour)
	$(RUN) -m landscape.figures --train $(ARGS)

notebooks: $(VENV)/.notebooks  ## execute the notebooks on the demo's checkpoints and store their outputs
	$(RUN) analysis_notebooks/execute.py $(ARGS)

test: $(VENV)/.test  ## run the tests
	$(RUN) -m pytest $(ARGS)

lint: $(VENV)/.lint  ## check style (ruff) and types (mypy)
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

bench: $(VENV)/.package  ## time a training step and the data loader; benchmarks/README.md has the others
	OMP_NUM_THREADS=1 $(RUN) benchmarks/step_time.py
	OMP_NUM_THREADS=1 $(RUN) benchmarks/loader.py

clean:  ## remove caches and build output; runs, figures and .venv stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name $(VENV) -prune -o -name __pycache__ -prune -exec rm -rf {} +

# A stamp is newer than pyproject.toml once what it names is installed, so a second call needs no network.
$(VENV)/.package: pyproject.toml
	@test -x $(RUN) || { $(CHECK_VERSION) && $(PYTHON) -m venv $(VENV); } || { rm -rf $(VENV); exit 1; }
	@echo "Installing landscape and its libraries into $(VENV): about 3 minutes and 7 GB, once ..."
	@$(RUN) -m pip install --quiet --upgrade 'pip>=25.1'
	@$(RUN) -m pip install --quiet --editable .
	@touch $@

$(VENV)/.lint: $(VENV)/.package
	@$(RUN) -m pip install --quiet --group lint
	@touch $@

# The peer whose values are compared with ours asks for older libraries than it needs.
$(VENV)/.test: $(VENV)/.package
	@$(RUN) -m pip install --quiet --group test
	@$(RUN) -m pip install --quiet --no-deps loss-landscape-3d==0.1.3 || echo "its comparison is left out of the tests"
	@touch $@

$(VENV)/.notebooks: $(VENV)/.package
	@$(RUN) -m pip install --quiet --editable '.[notebooks]'
	@touch $@

define CHECK_VERSION
$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v >= (3, 11) or sys.exit( \
	"landscape needs Python 3.11 or later; $(PYTHON) is %d.%d. Try: make $(MAKECMDGOALS) PYTHON=python3.12" % v)'
endef
