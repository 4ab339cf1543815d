# Plain `make` prints what there is. Every target does its own set-up.
PORT ?= 8501
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
TESTS := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 3 --dist loadfile fmnist_core tests

.DEFAULT_GOAL := help
unexport PYTHONSAFEPATH
.PHONY: help run class test test-all check lock format gpu bench bench-recipes clean

help: ## Print this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | awk -F'|' '{ printf "%-20s %s\n", $$1, $$2 }'

run: $(VENV)/run.installed ## Install what is missing, prepare the data, start the app; PORT=8501
	@$(BIN)/python -m fmnist_core.data.dataset
	@$(BIN)/python -m fmnist_core.training.compiled
	@$(BIN)/python -c 'import socket, sys; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("127.0.0.1", int(sys.argv[1])))' $(PORT) 2>/dev/null \
		|| { echo "Port $(PORT) is taken or not allowed: try another, such as make run PORT=$$(( $(PORT) + 1 ))"; exit 1; }
	@echo "Fashion-MNIST Lab: http://127.0.0.1:$(PORT)   (Ctrl-C ends it; runs in training go on)"
	@exec $(BIN)/python -m pages.parts.server.serve --server.port $(PORT)$(if $(HOSTS),$(foreach host,localhost 127.0.0.1 $(HOSTS), --server.allowedHosts $(host)))

class: $(VENV)/run.installed ## Start the app for a class in this network, behind a word; LEARNERS=… TEACHERS=… PORT=8501
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-class.txt || true  # only draws a QR code
	@$(BIN)/python -m fmnist_core.data.dataset
	@$(BIN)/python -m fmnist_core.training.compiled
	@PORT=$(PORT) exec $(BIN)/python -m pages.parts.server.class_server

test: $(VENV)/dev.installed ## Run the tests but those marked thorough or slow: every folder, every page, one walk in a browser (5 to 6 minutes)
	@$(TESTS) -m "not slow and not thorough"

test-all: $(VENV)/dev.installed ## Run all tests, with every sweep: each write, each kill, all pages in a browser (half an hour)
	@$(TESTS)

check: $(VENV)/dev.installed ## Everything that CI does: lint, format, types, all tests but the slow ones (12 minutes)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(TESTS) -m "not slow"

lock: ## Choose the versions in requirements.lock anew, for Linux and macOS, Python 3.11 and later; needs uv
	@uv pip compile --universal --python-version 3.11 --quiet --no-header --no-annotate --output-file requirements.lock requirements*.txt

format: $(VENV)/dev.installed ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(VENV)/dev.installed ## Measure: a table and one line of JSON for each benchmark (20 minutes at most; QUICK=1: 4)
	@QUICK=$(QUICK) $(BIN)/python -m benchmarks

gpu: ## Everything that a GPU is needed for, in six minutes; needs torch, torchvision, numpy and safetensors
	@$(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON)) -m benchmarks.gpu

bench-recipes: $(VENV)/dev.installed ## Train the recipes with 5 seeds each and measure them (half an hour); RECIPES="fast minute" SEEDS=3
	@$(BIN)/python -m benchmarks.recipes $(if $(RECIPES),--recipes $(RECIPES)) $(if $(SEEDS),--seeds $(SEEDS))

clean: ## Remove the virtual environment and caches; data and runs stay
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, and none was found: install it (https://www.python.org/downloads/), or name it: make run PYTHON=/path/to/python3"; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "Python 3.11 or newer is needed: $(PYTHON) is $$("$(PYTHON)" --version 2>&1). Name another: make run PYTHON=/path/to/python3"; exit 1; }
	@rm -rf $(VENV).new && "$(PYTHON)" -m venv $(VENV).new \
		|| { echo "The virtual environment could not be made: on Debian and Ubuntu, install python3-venv"; rm -rf $(VENV).new; exit 1; }
	@rm -rf $(VENV).new && "$(PYTHON)" -m venv --clear $(VENV)

# A stamp appears only when an installation has succeeded: one that was interrupted is taken up again.
$(VENV)/run.installed: requirements.txt requirements.lock install.py | $(VENV)/bin/python
	@$(BIN)/python install.py requirements.txt
	@touch $@

$(VENV)/dev.installed: requirements-dev.txt requirements.txt requirements.lock install.py | $(VENV)/bin/python
	@$(BIN)/python install.py requirements-dev.txt
	@touch $@ $(VENV)/run.installed
