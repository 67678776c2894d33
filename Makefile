# GNU make. Every target sets up what it needs: .venv from the locks, Kafka's jars in the user's cache.
SHELL := bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test unit avx2 check gpu wheels docs format lock clean setup kafka

ARGS ?=
BIN := .venv/bin
# Tests start a hundred processes: without bytecode each compiles this project anew.
TESTS := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest
# Most tests wait for a broker more than they compute: six processes keep two cores busy, more only take from each other.
# Each runs file after file, so that brokers of a file's own start once, in the order of tests/conftest.py.
SIDE_BY_SIDE := -n 6 --dist loadscope --no-loadscope-reorder
# The others compute: each process imports PyTorch first, so that more than four hardly pay.
ON_ALL_CORES := -n logical --maxprocesses 4 --dist worksteal
# Readers of logs, and what they import.
WHEELS := annotated-types|backports-zstd|msgspec|orjson|pydantic|pydantic-core|typing-extensions|typing-inspection
WHEELS_PYTHON ?= 3.12
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

help: ## print this
	@echo "make TARGET [ARGS='…']: ARGS go to the command that the target runs"
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: kafka setup ## run the whole system on this machine for a minute and show it (ARGS: interest-stream demo --help)
	@$(BIN)/interest-stream demo $(ARGS)

test: kafka setup ## run all tests, those against a real Kafka included (ARGS: of pytest)
	@$(TESTS) $(SIDE_BY_SIDE) $(ARGS)

unit: setup ## run the unit tests, but for those that are slow or learn a real log (ARGS: of pytest)
	@$(TESTS) $(ON_ALL_CORES) -m 'not real_log and not slow' tests/unit $(ARGS)

# Where oneDNN, PyTorch and MKL have several code paths, those of a processor without AVX-512.
AVX2 := ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 MKL_ENABLE_INSTRUCTIONS=AVX2
NETWORK_TESTS := tests/unit/models/{network,inference,training,test_device.py} tests/property/test_{engine,recipes}.py
avx2: setup ## run the tests of the network as on a processor without AVX-512 (ARGS: of pytest)
	@$(AVX2) $(TESTS) $(ON_ALL_CORES) -m 'not real_log' $(NETWORK_TESTS) $(ARGS)

check: setup ## lint, format, types, import contracts
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

# Where packages cannot be fetched there is no .venv, and the wheels that were carried along are unpacked.
gpu: ## prove and measure a CUDA device, without network (ARGS: python -m bench gpu --help)
	@if [ -x $(BIN)/python ]; then exec $(BIN)/python -m bench gpu $(ARGS); fi; \
	for wheel in wheels/*.whl; do [ ! -e $$wheel ] || python3 -m zipfile -e $$wheel build/site; done; \
	PYTHONPATH=build/site exec python3 -m bench gpu $(ARGS)

wheels: setup ## collect in wheels/ what `gpu` needs to read logs on Linux with WHEELS_PYTHON (default 3.12)
	@mkdir -p build wheels
	@awk '/^[a-z]/ { taken = $$0 ~ /^($(WHEELS))==/ } taken' requirements.txt > build/wheels.txt
	@$(BIN)/python -m pip download --quiet --require-hashes --no-deps --only-binary=:all: --implementation cp \
		--python-version $(WHEELS_PYTHON) $(addprefix --platform manylinux,_2_28_x86_64 _2_17_x86_64 2014_x86_64) \
		-r build/wheels.txt -d wheels

docs: setup ## build the pages of docs/ into build/docs, and look whether links between them lead somewhere
	@$(BIN)/uv venv --quiet --allow-existing build/zensical
	@$(BIN)/uv pip install --quiet --python build/zensical/bin/python --require-hashes -r requirements-docs.txt
	@build/zensical/bin/zensical build --strict --clean

format: setup ## format, and mend what lint can mend
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

lock: setup ## resolve pyproject.toml into the locks anew (ARGS='--upgrade': newest versions)
	@$(COMPILE) $(ARGS) pyproject.toml -o requirements.txt
	@$(COMPILE) $(ARGS) --extra text -c requirements.txt pyproject.toml -o requirements-text.txt
	@$(COMPILE) $(ARGS) --extra text --extra parquet --extra registry --extra dev -c requirements-text.txt pyproject.toml -o requirements-dev.txt
	@$(COMPILE) $(ARGS) - -o requirements-docs.txt <<<'zensical>=0.0.73,<1'
	@$(COMPILE) $(ARGS) - -o requirements-uv.txt <<<uv

clean: ## remove the environment and what the tools have cached here
	@rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -prune -exec rm -r {} +

setup: .venv/.locked

# The first Python that will do; it needs no package to look for Java and Maven.
FIND_PYTHON = for python in $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3 ""; do \
	[ -z "$$python" ] && { \
		echo "Python 3.11 or newer is missing. Install it: \`apt install python3 python3-venv\` (Debian 12, Ubuntu 24.04 \
	or newer) or \`brew install python\` (macOS), or name one: make PYTHON=/path/to/python3" >&2; exit 1; }; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; done

kafka:
	@$(FIND_PYTHON); PYTHONDONTWRITEBYTECODE=1 "$$python" -m streams.local_kafka.class_archive || { \
		echo "With Docker you need neither: \`docker compose up\` runs Kafka and a worker." >&2; exit 1; }

# Made anew whenever a lock changes, so that nothing is left of older ones. pip only installs uv. Without bytecode each
# process would compile PyTorch anew where Python may write none (PYTHONDONTWRITEBYTECODE).
.venv/.locked: requirements-uv.txt requirements-dev.txt
	@$(FIND_PYTHON); echo "Setting up .venv with $$("$$python" --version)"; "$$python" -m venv --clear .venv || { \
		echo "Install its venv module: \`apt install python3-venv\` (Debian, Ubuntu)" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.txt
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements-dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@
