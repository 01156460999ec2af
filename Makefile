# Everything is set up by the first target that needs it: Python 3.11+ and a C++ compiler are enough.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: install demo test test-long check bench bench-stream bench-growth bench-detect sanitize clean

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt CMakeLists.txt $(wildcard native/*)
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/seqae demo

test: $(INSTALLED)
	$(BIN)/pytest -n 2

test-long: $(INSTALLED)
	$(BIN)/pytest -n 2 -m long

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

sanitize: $(INSTALLED)
	bash native/sanitize.sh

clean:
	rm -rf .venv build dist
