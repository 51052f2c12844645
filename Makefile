# Everything runs in .venv; each target sets up what it needs and can be repeated.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST = $(BIN)/python -m pytest --numprocesses 2 --dist loadfile $(PYTEST_OPTIONS)
PIP_INSTALL = -m pip install --quiet --disable-pip-version-check --no-compile
HASHED = --require-hashes --only-binary :all: --requirement
INSTALL = $(BIN)/python $(PIP_INSTALL)
LOCKED = $(INSTALL) $(HASHED)
TESTS = tests/unit tests/mariadb tests/api tests/test_layers.py
PAGE_TOOLS = tests/browser/node_modules
API_TOOLS = tests/openapi/node_modules
CLIENTS = build/clients
# Node is the machine's own where there is one, else that of the dev tools.
WITH_NODE = PATH="$$PATH:$(CURDIR)/$(BIN)"
LOCK = UV_CUSTOM_COMPILE_COMMAND="make lock" uv pip compile --quiet --universal \
  --python-version 3.11 --generate-hashes --no-annotate $(LOCK_OPTIONS) pyproject.toml
without = $$(sed -n 's/==.*//; s/^[A-Za-z0-9]/--no-emit-package &/p' $(1))

.PHONY: demo vendor serve test slow-test test-clients test-providers test-frameworks check lint page-check api-check wheel-check format messages fuzz campaign campaign-model bench screenshot docs lock clean

demo: $(VENV)/.run
	$(BIN)/kb demo

serve: $(VENV)/.run
	$(BIN)/kb demo
	$(BIN)/kb serve

test: $(VENV)/.test
	$(BIN)/kb setup
	$(PYTEST) -m 'not slow' $(TESTS)

# What takes long: the slow ones of the same tests, and the page in a browser. The third part of the
# tests, those of the program as it is used, stands in wheel-check.
slow-test: $(VENV)/.test
	$(BIN)/kb setup --llm smollm2
	$(PYTEST) -m slow $(TESTS)
	$(PYTEST) tests/browser

# Clients of others, as their makers give them, each in a small program: minutes, and a gigabyte.
test-clients: $(VENV)/.dev $(CLIENTS)/.installed
	$(BIN)/kb setup
	$(WITH_NODE) $(BIN)/python -m pytest tests/clients $(PYTEST_OPTIONS)

# The clients of other providers, in an environment of their own: they weigh more than kb does. That of
# Transformers brings torch: make test-providers PROVIDERS=huggingface
PROVIDERS = anthropic,mistral,gemini,azure,bedrock,cohere,voyage
test-providers:
	$(PYTHON) -m venv build/providers
	build/providers/bin/python $(PIP_INSTALL) --editable '.[test,$(PROVIDERS)]'
	build/providers/bin/python -m pytest tests/unit/test_providers.py $(PYTEST_OPTIONS)

# Other frameworks on the same tables, in an environment of their own of 800 MB: what they need clashes
# with the versions in constraints.txt. Then the public MariaDB integrations of other frameworks, whose
# tables kb takes in, in another one, as they need older versions.
FRAMEWORKS = langchain,haystack,semantic-kernel
test-frameworks:
	$(PYTHON) -m venv build/frameworks
	build/frameworks/bin/python $(PIP_INSTALL) --editable '.[$(FRAMEWORKS)]' pytest pytest-asyncio pytest-timeout pytest-xdist
	build/frameworks/bin/python -m pytest --numprocesses 2 --ignore tests/frameworks/test_public_tables.py tests/frameworks $(PYTEST_OPTIONS)
	$(PYTHON) -m venv build/integrations
	build/integrations/bin/python $(PIP_INSTALL) --editable '.[test]' --requirement tests/frameworks/packages.txt
	build/integrations/bin/python -m pytest tests/frameworks/test_public_tables.py $(PYTEST_OPTIONS)

check: lint test

lint: $(VENV)/.dev page-check api-check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini tests benchmarks

# Types, lint and format of the page's JavaScript, by what npm gives; the page itself needs none of it.
page-check: $(PAGE_TOOLS)/.installed
	$(WITH_NODE) $(PAGE_TOOLS)/.bin/prettier --config tests/browser/.prettierrc.json --check 'kb/page/*.js' 'tests/browser/*.js' 'tests/browser/vendor/*.js' 'tests/clients/programs/*.mjs' 'tests/clients/generated/*.ts'
	$(WITH_NODE) $(PAGE_TOOLS)/.bin/eslint --config tests/browser/eslint.config.js --max-warnings 0 kb/page
	$(WITH_NODE) $(PAGE_TOOLS)/.bin/tsc --project tests/browser/jsconfig.json

# The OpenAPI document by the rules of Spectral, which npm gives; a warning is an error.
api-check: $(API_TOOLS)/.installed
	mkdir -p build
	$(BIN)/python docs/generate/http_api.py > build/openapi.json
	$(WITH_NODE) $(API_TOOLS)/.bin/spectral lint --ruleset tests/openapi/spectral.yaml --fail-severity hint build/openapi.json

# What the page takes from other projects, made of the versions in tests/browser/vendor/package-lock.json.
vendor: $(VENV)/.dev
	$(WITH_NODE) npm --prefix tests/browser/vendor ci --no-audit --no-fund
	$(WITH_NODE) node tests/browser/vendor/bundle.js

# The acceptance tests against the wheel, installed into an environment of its own, where no
# checkout is near: what the wheel forgets to take along is missed.
wheel-check: $(VENV)/.test
	rm -rf build/wheel
	mkdir -p build/wheel/away/tests
	$(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .
	$(PYTHON) -m venv build/wheel/env
	build/wheel/env/bin/python $(PIP_INSTALL) $(HASHED) constraints.txt --requirement constraints-test.txt
	build/wheel/env/bin/python $(PIP_INSTALL) --no-deps build/wheel/*.whl
	cp -r tests/*.* tests/acceptance build/wheel/away/tests
	cp -r data docs README.md CONTRIBUTING.md config.yaml pyproject.toml build/wheel/away
	build/wheel/env/bin/kb setup
	cd build/wheel/away && ../env/bin/python -m pytest --numprocesses 2 --dist loadfile tests/acceptance $(PYTEST_OPTIONS)

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# After texts for people have changed; stores/text/locale then waits for what is new in French.
messages: $(VENV)/.run
	$(BIN)/python tests/messages.py

# A bounded time and a seed: make fuzz FUZZ_SECONDS=600 FUZZ_SEED=1
fuzz: $(VENV)/.test
	$(BIN)/kb setup
	$(BIN)/python -m pytest -s tests/campaigns/fuzz_*.py $(PYTEST_OPTIONS)

# Several servers at work while each of their parts is killed in turn; what came of it is written
# into build/campaign.json. Needs Debian's redis-server and haproxy, and no root.
CAMPAIGN_MINUTES ?= 30
campaign: $(VENV)/.test
	$(BIN)/kb setup
	PYTHONPATH=.:tests $(BIN)/python tests/campaigns/kill_parts.py --minutes $(CAMPAIGN_MINUTES) \
	  $(if $(CAMPAIGN_SEED),--seed $(CAMPAIGN_SEED)) --report build/campaign.json $(CAMPAIGN_OPTIONS)

# A real language model on this machine over everything: make campaign-model MODEL=tiny MODEL_LIMIT=5
MODEL ?= small
campaign-model: $(VENV)/.test
	$(BIN)/kb setup --llm $(MODEL)
	$(BIN)/python benchmarks/real_model.py --model $(MODEL) $(if $(MODEL_LIMIT),--limit $(MODEL_LIMIT))

bench: $(VENV)/.run
	$(BIN)/python benchmarks/compare_stores.py

screenshot: $(VENV)/.test
	$(BIN)/python tests/browser/screenshot.py docs/images/page.png

# The documentation, in site/: a link that leads nowhere, or to another host's file, is an error.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	$(BIN)/python docs/generate/check_site.py site

# Asks PyPI for the hashes; versions stay unless LOCK_OPTIONS=--upgrade. Needs uv.
lock:
	echo hatchling editables | tr ' ' '\n' | $(LOCK) - --extra office --extra serve --extra redis --extra workers \
	  --extra mcp --extra pymysql --output-file constraints.txt
	$(LOCK) --extra test --constraint constraints.txt \
	  $(call without,constraints.txt) --output-file constraints-test.txt
	$(LOCK) --extra dev --constraint constraints.txt --constraint constraints-test.txt \
	  $(call without,constraints.txt constraints-test.txt) --output-file constraints-dev.txt

clean:
	rm -rf $(VENV) site $(PAGE_TOOLS) $(API_TOOLS) vendor/node_modules build .cache .pytest_cache .mypy_cache .ruff_cache

# What runs, what tests it, what checks it: each of the versions and with the hashes of its file.
$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Python packages into $(VENV) (about a minute the first time) …"
	@$(LOCKED) constraints.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run constraints-test.txt
	@$(LOCKED) constraints-test.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.test constraints-dev.txt
	@$(LOCKED) constraints-dev.txt
	@touch $@

$(PAGE_TOOLS)/.installed: tests/browser/package-lock.json | $(VENV)/.dev
	$(WITH_NODE) npm --prefix tests/browser ci --no-audit --no-fund
	@touch $@

# Without the scripts of packages, one of which tells its maker of each installation.
$(API_TOOLS)/.installed: tests/openapi/package-lock.json | $(VENV)/.dev
	$(WITH_NODE) npm --prefix tests/openapi ci --ignore-scripts --no-audit --no-fund
	@touch $@

$(CLIENTS)/.installed: tests/clients/clients.txt tests/clients/older-mcp.txt tests/clients/generated.txt tests/clients/package-lock.json | $(VENV)/.dev
	$(PYTHON) -m venv $(CLIENTS)/python
	$(CLIENTS)/python/bin/python $(PIP_INSTALL) --requirement tests/clients/clients.txt
	$(PYTHON) -m venv $(CLIENTS)/older-mcp
	$(CLIENTS)/older-mcp/bin/python $(PIP_INSTALL) --requirement tests/clients/older-mcp.txt
	$(PYTHON) -m venv $(CLIENTS)/generated
	$(CLIENTS)/generated/bin/python $(PIP_INSTALL) --requirement tests/clients/generated.txt
	$(WITH_NODE) npm --prefix tests/clients ci --no-audit --no-fund
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "kb needs Python 3.11 or later. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "This Python cannot make virtual environments. On Debian: apt install python3-venv"; exit 1; }
