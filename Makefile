# Two commands matter: `make demo` and `make test`. Both set up .venv by themselves.
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
FAST   := tests/unit tests/contract tests/model
SEED   ?= 1

.DEFAULT_GOAL := help
.PHONY: help demo eval bench test chaos lint types unit lock clean

help:            ## list the commands
	@grep -hE '^[a-z-]+: *.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.runtime: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.runtime  ## set up, run one job end to end and show the article
	$(BIN)/sota demo

eval: $(VENV)/.runtime  ## set up, write twenty articles and judge them from outside (ARGS="--only 3")
	$(BIN)/python -m bench.evaluate $(ARGS)

bench: $(VENV)/.runtime .venv-bench/.done ## set up, then measure: starts, a job without work beside plain Ray and DBOS, load, encryption, overlap
	$(BIN)/python -m bench.starts
	$(BIN)/python -m bench.noop
	$(BIN)/python -m bench.load --jobs 10 100
	$(BIN)/python -m bench.encryption
	$(BIN)/python -m bench.overlap $(ARGS)

.venv-bench/.done: bench/requirements.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --upgrade --target .venv-bench -r bench/requirements.txt
	@touch $@

test: $(VENV)/.dev lint types  ## set up, then lint, types and every test: the fast rings, then two services side by side, then chaos
	$(BIN)/python -m pytest -n auto $(FAST)
	$(BIN)/python -m pytest -n 2 --dist loadfile tests/integration
	$(BIN)/python -m pytest tests/chaos

chaos: $(VENV)/.dev     ## set up, then kill everything in turn for 20 minutes and audit it (SEED=1)
	$(BIN)/python -m tests.chaos --minutes 10 --seed $(SEED)
	$(BIN)/python -m tests.chaos --minutes 10 --seed $(SEED) --database postgres --nodes 3
	$(BIN)/python -m tests.model --interleavings 10000 --seed $(SEED)

lint: $(VENV)/.dev      ## ruff: style and likely mistakes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev     ## mypy --strict
	$(BIN)/mypy

unit: $(VENV)/.dev      ## the fast ring only: no Ray, no network
	$(BIN)/python -m pytest -n auto $(FAST)

lock:            ## refresh both lock files (needs uv): versions and hashes only
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --extra build -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate pyproject.toml --extra build --extra dev -c requirements.lock -o requirements-dev.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate bench/requirements.in -o bench/requirements.txt

clean:           ## remove what the commands made here
	rm -rf $(VENV) .venv-bench .sota out build *.egg-info .mypy_cache .ruff_cache .hypothesis
