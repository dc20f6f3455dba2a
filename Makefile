# make help lists the targets. Each sets up .venv itself on a fresh clone.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NATIVE_SOURCES := $(wildcard csrc/*/*.cpp csrc/*/*.h csrc/*/*.cu csrc/include/nq/*.h)
DEMO := .demo
TEST_SOURCES := $(wildcard tests/fuzz/*.cpp tests/fuzz/*.h tests/support/cuda_emulation/*)

.PHONY: help demo test test-slow gpu conform vectors fuzz lint bench tables golden man clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

$(READY): pyproject.toml setup.py constraints.txt $(NATIVE_SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@mkdir -p $(VENV)/share/man/man1 && ln -sf $(abspath docs/man)/*.1 $(VENV)/share/man/man1/
	@touch $@

demo: $(READY) ## Encode the sample clip, decode it with two backends, verify, print the figures
	@PATH=$(abspath $(BIN)):$$PATH bash samples/demo.sh $(DEMO)

test: $(READY) ## Run the tests, a process a core (under 10 minutes on 2 cores)
	$(BIN)/python -m pytest -n auto --maxprocesses 4 --dist loadfile

test-slow: $(READY) ## Run the tests that fit for minutes
	$(BIN)/python -m pytest -m slow

gpu: $(READY) ## Build, test, check and time on a CUDA device, under 10 minutes (GPU_OPTIONS=--again for what has passed)
	$(BIN)/python tests/support/gpu.py $(GPU_OPTIONS)

conform: $(READY) ## Run the conformance vectors on each backend
	$(BIN)/nqtool conform

vectors: $(READY) ## Rebuild all conformance vectors from their seeds, for changes of the format
	PYTHONPATH=tests/support:tests:. $(BIN)/python -m conformance_vectors

fuzz: $(READY) ## Fuzz the C library, the parser, damaged files and faults (FUZZ_SECONDS=60 for each; clang, atheris)
	$(BIN)/python tests/fuzz/run.py --seconds $(or $(FUZZ_SECONDS),60)

lint: $(READY) ## ruff, import layers, mypy and clang-format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy nqcodec formats
	$(BIN)/clang-format --dry-run -Werror $(NATIVE_SOURCES) $(TEST_SOURCES)

bench: $(READY) ## Run the short benchmarks: entropy coders and decoder
	$(BIN)/nqtool bench coder
	$(BIN)/nqtool bench decode --case pyramid --case pyramid-light --case hnerv-0.75m --seconds 2

tables: $(READY) ## Make the tables of the benchmarks' documents again from the result files
	$(BIN)/nqtool bench tables

golden: $(READY) ## Rebuild the sample bitstreams after a change of format
	@mkdir -p build
	$(BIN)/nqenc samples/bbb_320x180.mkv --bpp 0.1 --preset medium --seed 0 --no-metadata -o samples/bbb_320x180.nq
	$(BIN)/nqdec samples/bbb_320x180.nq --md5 -q | cut -c 1-32 > samples/bbb_320x180.nq.md5
	$(BIN)/python samples/make_small.py build/small.y4m
	$(BIN)/nqenc build/small.y4m --bpp 3 --preset ultrafast -o samples/bbb_32x18.nq
	PYTHONPATH=tests/support $(BIN)/python tests/support/hexdump_page.py

man: $(READY) ## Make docs/man/*.1 again after a change of what --help shows
	$(BIN)/python -m nqcodec.cli.man docs/man

clean: ## Remove the environment and everything built
	rm -rf $(VENV) $(DEMO) build dist nqcodec.egg-info nqcodec/native/lib
