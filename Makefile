# Every target sets itself up from a fresh clone: packages, then the build, then its own job.
# CMakePresets.json holds the builds (release, debug, asan, tsan, fuzz, bench); this file only names the ways to use them.

JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 20
TOOLS := $(CURDIR)/build/tools
export PATH := $(TOOLS):$(PATH)

.PHONY: help deps build debug test unit demo asan tsan fuzz bench format format-check lint layers scenarios tools clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

deps: ## install the Debian packages that are missing (as root)
	scripts/deps

build: deps ## build all programs into build/bin
	cmake --preset release
	cmake --build build -j $(JOBS)

debug: deps ## the same without optimisation, into build/debug/bin
	cmake --preset debug
	cmake --build build/debug -j $(JOBS)

test: build layers scenarios ## all tests, ends with "N passed, N failed, N skipped"
	@scripts/helm --no-build || true
	@scripts/run-tests --build build

unit: build ## only the tests that need nothing but themselves
	@scripts/run-tests --build build --label unit

demo: build ## the main job on this machine: embedded cluster, tenant chart, verdict
	@scripts/helm --no-build || true
	build/bin/berth-dev demo $(DEMO_FLAGS)

asan: deps ## unit tests and simulator under AddressSanitizer and UBSan
	cmake --preset asan
	cmake --build build/asan -j $(JOBS)
	@scripts/run-tests --build build/asan --label 'unit|sim' --sanitized

tsan: deps ## unit tests and simulator under ThreadSanitizer
	cmake --preset tsan
	cmake --build build/tsan -j $(JOBS)
	@scripts/run-tests --build build/tsan --label 'unit|sim' --sanitized

fuzz: deps ## every fuzz target for FUZZ_SECONDS (20)
	fuzz/run $(FUZZ_SECONDS)

bench: deps ## the benchmarks; the allocator beside its peer (BERTH_PEER), table and build/bench/ipam.json
	cmake --preset bench
	cmake --build build/bench --target berth_benches -j $(JOBS)
	scripts/run-bench build/bench

format: ## clang-format, in place
	scripts/format

format-check: deps ## fails if clang-format would change a file
	scripts/format --check

lint: build ## clang-tidy on the files that differ from main; ALL=1: on every file
	scripts/lint $(if $(ALL),--all)

layers: ## fails if a folder of src/ uses one that stands above it
	scripts/check-layers

scenarios: ## fails if docs/compatibility.md names a scenario that is not there, or leaves one out
	scripts/check-scenarios

tools: deps ## helm and kubectl, built from their Go modules if the machine has none
	scripts/helm
	scripts/kubectl

clean: ## remove the build folder
	rm -rf build
