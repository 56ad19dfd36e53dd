# The commands of the README. Everything is built below build/, and Python's packages are in .venv/.
.NOTPARALLEL:
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
PYTHON := $(CURDIR)/.venv/bin/python
RELEASE := build/release

# ThreadSanitizer of gcc 12 cannot place its shadow where the kernel randomises addresses widely.
FIXED_ADDRESSES := $(shell setarch -R true 2>/dev/null && echo setarch -R)

# Configures and builds a preset; its output is shown when it fails.
define compile
	@echo "Building $(1) (log: build/$(1).log)"; mkdir -p build
	@{ cmake --preset $(1) && cmake --build --preset $(1) -j$(JOBS); } >build/$(1).log 2>&1 || \
	    { cat build/$(1).log; exit 1; }
endef

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

demo: build python rust java ## Run the demo: a table of flights through five languages
	$(PYTHON) examples/flights/demo.py

test: packages ## Run all tests: C, sanitizers, Python, the command, the examples
	@$(MAKE) --no-print-directory --keep-going checks

bench: build python rust java ## Print the figures of the README (DISK=directory for durable stores)
	$(RELEASE)/bench/zcx-bench
	$(RELEASE)/bench/zcx-bench-workers
	$(RELEASE)/bench/zcx-bench-durable $(DISK)
	$(RELEASE)/bench/zcx-bench-cpp
	LD_LIBRARY_PATH=$(RELEASE)/core build/rust/release/bench
	$(RELEASE)/java/bench
	$(PYTHON) bench/bench.py

soak: build python rust java ## Run the long tier: kills by the thousand, the C suite under ThreadSanitizer
	for test in step crash recovery mutated concurrency queue powercut backup repair; do \
	    ZCX_SOAK=1 $(RELEASE)/tests/$${test}_test || exit 1; done
	ZCX_SOAK=1 $(PYTHON) -m pytest -q tests/torture
	$(call compile,asan)
	ZCX_SOAK=1 ZCX_BUILD=build/asan $(PYTHON) -m pytest -q tests/torture
	PYTHONMALLOC=debug PYTHONDEVMODE=1 ZCX_COMMAND=$(CURDIR)/$(RELEASE)/command/zcx $(PYTHON) -m pytest -q tests/python
	$(call compile,tsan)
	cmake --build build/tsan -j$(JOBS)
	$(FIXED_ADDRESSES) ctest --test-dir build/tsan -j2 --output-on-failure \
	    -E '^(step|crash|mutated)$$|_without_' # too slow there, or expected to race

fuzz: ## Fuzz what strangers can write, MINUTES=10 a target, with clang's libFuzzer
	@.ci/packages clang libclang-rt-14-dev
	$(call compile,fuzz)
	@tests/fuzz/run.sh build/fuzz/tests/fuzz build/fuzz/corpus $(or $(MINUTES),10)

coverage: packages ## Measure what of core/ the tests in C reach
	@.ci/python
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check 'gcovr>=7'
	$(call compile,coverage)
	@find build/coverage -name '*.gcda' -delete
	ctest --preset coverage
	@$(PYTHON) tests/coverage.py build/coverage

install: build java ## Install headers, library, command, man page and jar (PREFIX=/usr/local)
	cmake --install $(RELEASE) --prefix $(or $(PREFIX),/usr/local)

clean: ## Remove what was built
	rm -rf build .venv .pytest_cache examples/*/out

packages:
	@.ci/packages

build: packages
	$(call compile,release)

python: build
	@.ci/python
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
	    --no-build-isolation --force-reinstall ./bindings/python

rust: build
	@bindings/rust/check.sh $(RELEASE) build/rust build

java: build
	@bindings/java/check.sh $(RELEASE) jars

checks: check-c check-memory check-threads check-python check-command check-rust check-java check-languages check-torture check-examples

check-c: build
	ctest --preset release

check-memory:
	$(call compile,asan)
	ctest --preset asan

check-threads:
	$(call compile,tsan)
	$(FIXED_ADDRESSES) ctest --preset tsan

check-python: python
	ZCX_COMMAND=$(CURDIR)/$(RELEASE)/command/zcx $(PYTHON) -m pytest -q tests/python

check-command: python
	ZCX_COMMAND=$(CURDIR)/$(RELEASE)/command/zcx $(PYTHON) -m pytest -q tests/command

check-rust: build
	bindings/rust/check.sh $(RELEASE) build/rust

check-java: build
	bindings/java/check.sh $(RELEASE)

check-languages: python rust java
	PYTHON=$(PYTHON) PYTHONPATH=tests/matrix $(PYTHON) -m pytest -q tests/matrix

check-torture: python rust java
	$(PYTHON) -m pytest -q tests/torture

check-examples: python rust java
	$(PYTHON) examples/flights/demo.py

.PHONY: help demo test bench soak fuzz coverage install clean packages build python rust java checks \
    check-c check-memory check-threads check-python check-command check-rust check-java check-languages check-torture check-examples
