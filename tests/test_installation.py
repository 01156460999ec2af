"""The kernel is built where a compiler is, and its absence is survived where none is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from seqae.recurrence.native import kernels

ROOT = Path(__file__).parents[1]


def test_ci_builds_the_kernel() -> None:
    if not os.environ.get("CI"):
        pytest.skip("outside CI an installation without a compiler is fine")
    assert kernels(), "the native kernel is not built; active_kernel() would be 'reference'"


@pytest.mark.long
def test_installs_and_works_without_a_compiler(tmp_path: Path) -> None:
    if not (ROOT / "CMakeLists.txt").exists():
        pytest.skip("needs the sources")
    environment = os.environ | {"CC": "/bin/false", "CXX": "/bin/false"}
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(tmp_path / "site"), str(ROOT), "-v"]
    told = subprocess.run(install, env=environment, capture_output=True, text=True, check=True)
    assert "WITHOUT its native kernel" in told.stdout + told.stderr
    code = f"""
import sys
sys.meta_path = [finder for finder in sys.meta_path if type(finder).__name__ != "ScikitBuildRedirectingFinder"]
sys.path.insert(0, {str(tmp_path / "site")!r})
import numpy as np, seqae
assert seqae.__file__.startswith({str(tmp_path)!r})
assert seqae.active_kernel() == "reference"
ae = seqae.SequenceAutoencoder(latent_size=2, hidden_size=3, max_epochs=1, verbose=False)
print(ae.fit_transform([np.zeros((3, 1)), np.ones((5, 1))]).shape)
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "(2, 2)"
