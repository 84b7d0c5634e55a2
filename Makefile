# Concord's tasks. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

SEED ?=
SEEDS ?= 200
STEPS ?= 200
ICS ?=
ROUNDS ?= 20
HELM := v3.19.0
COMPOSE := v2.10.0
APICURIO := 3.3.3
JOBS ?= 3
ENTRIES ?= 50000
EVENTS ?= 20000
MAILBOXES ?= 2000

# Compiled code is kept: without, each process that starts here compiles all of Concord anew (container images set this).
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help

help: ## list the tasks
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

setup: $(STAMP) ## make the virtual environment from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Concord needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $(STAMP)

demo: setup ## run the main job on a small firm, shown live; ICS=file adds a calendar; ends 0 if both sides agree
	$(BIN)/python -m concord demo $(if $(ICS),$(foreach file,$(ICS),--ics $(file)),)

up: setup ## everything on this machine, kept running, against the bundled simulators (Ctrl-C ends it)
	$(BIN)/python -m concord dev

down: ## end what `make up` left running, if anything
	@test ! -x $(BIN)/python || $(BIN)/python -m concord dev --stop

# Whole files run side by side, or what shares an environment (tests/support/scheduling.py). The long ones mostly wait,
# so three at a time keep two cores busy. Tests that kill and freeze real processes on a shared machine can fail for the
# machine's sake. What failed is run once more, alone and visibly: a test that passes only then is a fault to be found,
# not a test to be trusted.
PYTEST := $(BIN)/python -m pytest tests --show-capture=no
define run_tests
	$(PYTEST) $(1) -n $(JOBS) --dist loadfile --no-loadscope-reorder || \
	  { echo; echo "Running once more what failed:"; $(PYTEST) $(1) --last-failed --last-failed-no-failures none; }
endef

test: setup ## run the tests, but for the long ones
	$(call run_tests)

test-long: setup ## run the long tests: whole days, killed roles and brokers, the console in a browser
	$(call run_tests,-m "long and not soak and not deploy")

screenshots: setup ## write every page of the console, light and dark, narrow and wide, to docs/images
	SCREENSHOTS=docs/images $(BIN)/python -m pytest tests/browser --show-capture=no -m "long or not long"

setup-extras: setup ## install what only some tests need: a browser, other people's clients, as root on Debian PostgreSQL
	test -x .cache/thirdparty/bin/python || $(PYTHON) -m venv .cache/thirdparty
	.cache/thirdparty/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/thirdparty/python/requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/browser/requirements.lock
	@if test "$$(id -u)" = 0 && command -v apt-get > /dev/null && ! command -v chromium chromium-browser google-chrome > /dev/null; then \
	  apt-get install --yes --quiet --no-install-recommends chromium > /dev/null || echo "Chromium was not installed: its tests are skipped."; fi
	@if test "$$(id -u)" = 0 && command -v apt-get > /dev/null && ! ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1; then \
	  apt-get install --yes --quiet --no-install-recommends postgresql > /dev/null || echo "PostgreSQL was not installed: its tests are skipped."; fi
	@test -f .cache/thirdparty/registry/quarkus-run.jar || ! command -v mvn > /dev/null || (cd .cache/thirdparty && mvn --batch-mode --quiet dependency:copy \
	  -Dartifact=io.apicurio:apicurio-registry-app:$(APICURIO):tar.gz:all -DoutputDirectory=. && mkdir -p registry \
	  && tar -xzf apicurio-registry-app-$(APICURIO)-all.tar.gz -C registry && rm apicurio-registry-app-$(APICURIO)-all.tar.gz) \
	  || echo "The schema registry could not be fetched: its tests are skipped."
	if command -v npm > /dev/null; then npm ci --prefix tests/thirdparty/node --ignore-scripts --no-audit --no-fund --silent; fi

test-unit: setup ## only the tests that need neither broker nor network
	$(BIN)/python -m pytest tests/unit tests/property tests/scenarios tests/simulation

sim: setup ## seeded simulation of the whole loop: SEED=n repeats one run, SEEDS=200 runs many
	PYTHONPATH=tests $(BIN)/python -m simulation $(if $(SEED),--seed $(SEED),--seeds $(SEEDS)) --steps $(STEPS)

contract: setup ## run the contract tests, then print every point of an honest simulator and every port with its state
	PYTHONPATH=tests $(BIN)/python -m pytest tests/contract tests/integration/simulators -p support.honesty --show-capture=no

soak: setup ## kill and stall real workers on real Kafka, ROUNDS=20 times; prints holes found and healed
	CONCORD_SOAK_ROUNDS=$(ROUNDS) $(BIN)/python -m pytest -m soak -s --show-capture=no tests/integration

bench: setup ## latency, fold rate, requests per change, memory: one table from one run
	$(BIN)/python -m bench

bench-cost: setup ## requests of a backfill of EVENTS=20000, of single edits, and of MAILBOXES=2000 at rest; takes long
	$(BIN)/python -m bench.cost --events $(EVENTS) --mailboxes $(MAILBOXES)

chaos: setup ## both simulators at their worst while people work, for DURATION=600 s at RATE=20 changes a second; ends 0 if nothing was lost
	$(BIN)/python -m bench.chaos --seconds $(DURATION) --rate $(RATE)

# Quix Streams is no part of Concord: it has an environment of its own, behind which Concord's stands.
bench-streams: setup ## the same decisions over the same journal: Concord live and rebuilding, Quix Streams, bare loops; ENTRIES=50000
	test -x .cache/bench/bin/python || $(PYTHON) -m venv .cache/bench
	.cache/bench/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r bench/thirdparty/requirements.lock
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > .cache/bench/concord.pth
	mv .cache/bench/concord.pth "$$(.cache/bench/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	$(BIN)/python -m bench.contenders --entries $(ENTRIES)

bench-scale: setup ## 2 and 4 reconcile workers over a backlog, one killed, one added: lost, repeated, recovery; ENTRIES=50000
	$(BIN)/python -m bench.scale --entries $(ENTRIES)

bench-rebuild: setup ## rebuild sync-state from 10,000, 100,000 and 1,000,000 journal entries: rate and memory
	$(BIN)/python -m bench.rebuild

# helm and Compose's own loader are built once, by Go; promtool comes out of Debian's package without being installed.
deploy-tools: setup ## fetch what checks the deployment: helm, Compose's loader, promtool, hadolint, Kubernetes' schemas
	test -x .cache/deploy/bin/python || $(PYTHON) -m venv .cache/deploy
	.cache/deploy/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/deploytools/requirements.lock
	@test -x .cache/deploy/bin/helm || ! command -v go > /dev/null || GOBIN=$(CURDIR)/.cache/deploy/bin go install helm.sh/helm/v3/cmd/helm@$(HELM) \
	  || echo "helm could not be built: the chart is not rendered."
	@test -x .cache/deploy/bin/cmd || ! command -v go > /dev/null || GOBIN=$(CURDIR)/.cache/deploy/bin go install github.com/compose-spec/compose-go/v2/cmd@$(COMPOSE) \
	  || echo "Compose's loader could not be built: docker-compose.yml is only read as YAML."
	@test -x .cache/deploy/bin/promtool || ! command -v dpkg-deb > /dev/null || (cd .cache/deploy && apt-get download --quiet prometheus > /dev/null \
	  && dpkg-deb --extract prometheus_*.deb debian && cp debian/usr/bin/promtool bin/ && rm -rf debian prometheus_*.deb) || echo "promtool could not be fetched."

deploy-check: deploy-tools ## validate image, compose file, chart, rules and access rights; a broker with TLS and passwords
	PATH=$(CURDIR)/.cache/deploy/bin:$$PATH $(BIN)/python -m pytest -m deploy --show-capture=no tests

flow: setup ## print the flow: every topic, who writes and who reads it
	@$(BIN)/python -m concord topics flow

rules: setup ## write docs/reference/rules.md; fails if a rule of the product has no test
	PYTHONPATH=tests $(BIN)/python -m support.rules

fmt: setup ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: setup ## ruff, formatting included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## mypy, strict
	$(BIN)/mypy

layers: setup ## import-linter: who may import whom
	$(BIN)/lint-imports

check: lint types layers test test-long ## what CI runs

wheel: setup ## build the wheel and run the unit tests against it
	rm -rf dist .cache/wheel-venv
	$(BIN)/python -m build --quiet --wheel --no-isolation --outdir dist .
	$(PYTHON) -m venv .cache/wheel-venv
	.cache/wheel-venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	.cache/wheel-venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps dist/*.whl
	.cache/wheel-venv/bin/python -P -m pytest tests/unit -p no:cacheprovider

lock: setup ## write requirements.lock anew from pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --allow-unsafe \
	  --no-header --strip-extras --all-extras --output-file requirements.lock pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --allow-unsafe \
	  --no-header --output-file tests/thirdparty/python/requirements.lock tests/thirdparty/python/requirements.in
	$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --allow-unsafe \
	  --no-header --constraint requirements.lock --output-file tests/browser/requirements.lock tests/browser/requirements.in
	$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --allow-unsafe \
	  --no-header --output-file tests/deploytools/requirements.lock tests/deploytools/requirements.in
	$(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --allow-unsafe \
	  --no-header --output-file bench/thirdparty/requirements.lock bench/thirdparty/requirements.in

proto: setup ## compile the Pub/Sub service definitions anew
	for folder in simulators/pubsub connectors/salesforce; do \
		$(BIN)/python -m grpc_tools.protoc -I $$folder --descriptor_set_out=$$folder/pubsub_api.binpb pubsub_api.proto || exit 1; \
	done

release-schemas: setup ## keep the current schemas as released ones
	$(BIN)/python -m schemas.release

clean: ## remove what was built and cached in this folder
	rm -rf $(VENV) .cache tests/thirdparty/node/node_modules .concord dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.PHONY: help setup setup-extras screenshots deploy-tools deploy-check demo up down test test-long test-unit contract sim soak bench bench-cost bench-streams bench-scale bench-rebuild chaos flow rules fmt lint types layers check wheel lock proto release-schemas clean
