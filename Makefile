# Everything is set up by the first target that needs it: Python 3.11+ and a C++ compiler are enough.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# The tracer of coverage that costs least: events of the interpreter from Python 3.12 on.
TRACER = $(shell $(BIN)/python -c "import sys; print('sysmon' if sys.version_info >= (3, 12) else 'ctrace')")
OTHERS = $(shell $(BIN)/python -c "from seqae.recurrence.native.operations import kernels; print(*kernels()[1:])")

SITE := sphinx myst-parser pydata-sphinx-theme

.PHONY: install demo test test-kernels test-long test-browser fuzz check bench bench-stream bench-growth bench-detect bench-vectors sanitize docs wheels clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt CMakeLists.txt $(wildcard native/*)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/seqae demo

test: $(INSTALLED)
	COVERAGE_CORE=$(TRACER) $(BIN)/pytest -n 2 --cov --cov-report=term

# What depends on the kernel, on the reference; then a few of these tests on each other instruction set of the machine.
test-kernels: $(INSTALLED)
	SEQAE_KERNEL=reference $(BIN)/pytest -q -n 2 -m "kernel and not long"
	for kernel in $(OTHERS); do SEQAE_KERNEL=$$kernel $(BIN)/pytest -q -n 2 tests/test_estimator.py tests/test_torch.py || exit 1; done

# Each kind of file that is read, 2,000 times damaged or edited; `make test` tries 200.
fuzz: $(INSTALLED)
	SEQAE_FUZZ=2000 $(BIN)/pytest -q -n 2 tests/test_fuzz.py

test-long: $(INSTALLED)
	$(BIN)/pytest -n 2 -m long

# The page of `seqae report` in headless Chromium.
test-browser: $(INSTALLED)
	command -v chromium || command -v google-chrome || apt-get install -y chromium
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt playwright
	$(BIN)/pytest -q -m browser tests/browser

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m scripts.structure
	$(BIN)/pytest -q tests/test_architecture.py

bench: $(INSTALLED)
	$(BIN)/seqae bench

bench-stream: $(INSTALLED)
	$(BIN)/python -m benchmarks.stream

bench-growth: $(INSTALLED)
	$(BIN)/python -m benchmarks.growth

bench-detect: $(INSTALLED)
	$(BIN)/python -m benchmarks.detect

bench-vectors: $(INSTALLED)
	$(BIN)/python -m benchmarks.vectors

sanitize: $(INSTALLED)
	bash native/sanitize.sh

# The site of docs/, strict: a link or a directive that leads nowhere fails.
docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(SITE)
	$(BIN)/python -m sphinx -W -n --keep-going -q -b html docs build/docs
	@echo "build/docs/index.html"

# A source archive, and from it a wheel for each Python that is found; each is installed in an empty environment.
wheels: $(INSTALLED)
	$(BIN)/python scripts/wheels.py

clean:
	rm -rf .venv build dist
