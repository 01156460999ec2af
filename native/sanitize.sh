#!/usr/bin/env bash
# The kernel's tests under the address and undefined-behaviour sanitizers, on a build of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python
site=$PWD/build/sanitize/site

rm -rf "$site"
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$site" \
    -C build-dir=build/sanitize/cmake -C cmake.define.SEQAE_SANITIZE=ON -C cmake.build-type=RelWithDebInfo .

preload=$(c++ -print-file-name=libasan.so):$(c++ -print-file-name=libubsan.so):$(c++ -print-file-name=libstdc++.so)
# Leaks are Python's own; torch's threads and Hypothesis need no deadline here.
LD_PRELOAD=$preload ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 "$python" - "$site" "$@" <<'PYTHON'
import sys

site, *arguments = sys.argv[1:]
suites = [f"tests/test_{name}.py" for name in ("native", "attention", "symbols", "sequencewise")]
sys.meta_path = [finder for finder in sys.meta_path if type(finder).__name__ != "ScikitBuildRedirectingFinder"]
sys.path.insert(0, site)

import pytest

import seqae

assert seqae.__file__.startswith(site), f"the editable installation was tested instead: {seqae.__file__}"
assert seqae.active_kernel() != "reference"
sys.exit(pytest.main(["-p", "no:cacheprovider", "-p", "no:xdist", *suites, *arguments]))
PYTHON
