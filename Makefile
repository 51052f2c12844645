# Everything runs in .venv; each target sets up what it needs and can be repeated.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST = $(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(PYTEST_OPTIONS)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile \
  --constraint constraints.txt --editable

.PHONY: demo serve test check format fuzz bench screenshot clean

demo: $(VENV)/.office
	$(BIN)/kb demo

serve: $(VENV)/.office,serve
	$(BIN)/kb demo
	$(BIN)/kb serve

test: $(VENV)/.test
	$(BIN)/kb setup
	$(PYTEST)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/kb setup
	$(PYTEST)

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# A bounded time and a seed: make fuzz FUZZ_SECONDS=600 FUZZ_SEED=1
fuzz: $(VENV)/.test
	$(BIN)/kb setup
	$(BIN)/python -m pytest --numprocesses 2 -s tests/campaigns/fuzz_*.py $(PYTEST_OPTIONS)

bench: $(VENV)/.office
	$(BIN)/python benchmarks/compare_stores.py

screenshot: $(VENV)/.test
	$(BIN)/python tests/browser/screenshot.py tests/browser/page.png

clean:
	rm -rf $(VENV) .cache .pytest_cache .mypy_cache .ruff_cache

# One stamp for each set of extras that pyproject.toml declares.
$(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Python packages into $(VENV) (about a minute the first time) …"
	@$(INSTALL) '.[$*]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "kb needs Python 3.11 or later. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "This Python cannot make virtual environments. On Debian: apt install python3-venv"; exit 1; }
