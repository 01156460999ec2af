"""The kernel is built where a compiler is, and its absence is survived where none is."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from scripts import wheels

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


def build(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Install from the sources into a folder of its own, without a compiler."""
    environment = os.environ | {"CC": "/bin/false", "CXX": "/bin/false"} | variables
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--target", str(tmp_path / "site"), str(ROOT)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.long
def test_no_wheel_is_built_without_the_kernel_where_it_is_required(tmp_path: Path) -> None:
    if not (ROOT / "CMakeLists.txt").exists():
        pytest.skip("needs the sources")
    assert build(tmp_path, SEQAE_REQUIRE_KERNEL="1").returncode != 0
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("missing", ["seqae/_native", "seqae/py.typed", "licenses/LICENSE"])
def test_a_wheel_that_lacks_a_part_is_refused(missing: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.whl", "w") as wheel:
        for part in wheels.NEEDED:
            if part != missing:
                wheel.writestr(f"{part}.so", "")
    with pytest.raises(SystemExit, match=f"x.whl has no {missing}"):
        wheels.check_content(tmp_path / "x.whl")


USER = """
from seqae import AnomalyDetector, Ragged, SequenceAutoencoder, Source, read

source: Source = read("x.csv", id="id")
estimator: SequenceAutoencoder = SequenceAutoencoder(latent_size=8).fit(source)
again: Ragged = estimator.reconstruct(source)
detector: AnomalyDetector = AnomalyDetector(window=10).fit(source)
limit: float | None = detector.threshold_
"""


@pytest.mark.long
def test_a_strict_type_checker_knows_the_public_names(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "pyrightconfig.json").write_text('{"typeCheckingMode": "strict", "include": ["user.py"]}')
    command = [sys.executable, "-m", "pyright", "-p", str(tmp_path), "--pythonpath", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
