"""Build the source archive and, from it alone, a wheel for each Python that is found; try each in an empty environment.

    make wheels                                   # into dist/
    python scripts/wheels.py --installed          # only whether what is installed here has its kernel

A wheel without the kernel, without its types or without its licence is an error: none is published.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
OLDEST, NEWEST = 11, 14
NEEDED = ("seqae/_native", "seqae/py.typed", "seqae/cli/__init__.py", "licenses/LICENSE")
TRY = "import seqae, seqae._native as native; print(seqae.__version__, *native.kernels())"


def main() -> int:
    """Build and try all, or try what is installed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--installed", action="store_true", help="only try what is installed for this Python")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="where archives go")
    arguments = parser.parse_args()
    if arguments.installed:
        print(tried(sys.executable))
        return 0
    arguments.output.mkdir(exist_ok=True)
    archive = build_archive(arguments.output)
    left = pythons()
    while left:
        wheel = build_wheel(left[0], archive, arguments.output)
        check_content(wheel)
        print(f"{wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB")
        served, left = (left, []) if "abi3" in wheel.name else (left[:1], left[1:])
        for python in served:
            print(f"    Python 3.{minor_of(python)}: {tried_in_empty(python, wheel)}")
    return 0


def pythons() -> list[str]:
    """A Python of each version that can be run, oldest first."""
    found = [shutil.which(f"python3.{minor}") for minor in range(OLDEST, NEWEST + 1)]
    return [path for path in found if path and _runs(path)]


def build_archive(output: Path) -> Path:
    """The source archive."""
    with tempfile.TemporaryDirectory() as folder:
        run(environment_of(sys.executable, Path(folder), "build"), "-m", "build", "--sdist", "-o", output, ROOT)
    return newest(output, "*.tar.gz")


def build_wheel(python: str, archive: Path, output: Path) -> Path:
    """A wheel from the archive, with the kernel or not at all."""
    with tempfile.TemporaryDirectory() as folder:
        own = environment_of(python, Path(folder))
        run(own, "-m", "pip", "wheel", "-q", "--no-deps", "-w", output, archive, SEQAE_REQUIRE_KERNEL="1")
    return newest(output, "*.whl")


def check_content(wheel: Path) -> None:
    """Raise SystemExit if something is missing."""
    names = zipfile.ZipFile(wheel).namelist()
    for part in NEEDED:
        if not any(part in name for name in names):
            raise SystemExit(f"{wheel.name} has no {part}")


def tried_in_empty(python: str, wheel: Path) -> str:
    """What a new environment prints that has this wheel and NumPy alone."""
    with tempfile.TemporaryDirectory() as folder:
        own = environment_of(python, Path(folder), "numpy")
        run(own, "-m", "pip", "install", "-q", "--no-deps", wheel)
        return tried(own)


def tried(python: str) -> str:
    """Version and instruction sets. Raises SystemExit without a kernel."""
    told = run(python, "-c", TRY, PYTHONWARNINGS="error").strip()
    if len(told.split()) < 2:
        raise SystemExit(f"the kernel has no instruction set for this machine: {told}")
    return told


def environment_of(python: str, folder: Path, *packages: str) -> str:
    """The Python of a new environment."""
    run(python, "-m", "venv", folder)
    own = str(folder / ("Scripts" if os.name == "nt" else "bin") / "python")
    if packages:
        run(own, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages)
    return own


def run(*command: object, **variables: str) -> str:
    """The output of a command. Raises SystemExit with what it printed if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=tempfile.gettempdir(),
        env=os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"} | variables,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def newest(folder: Path, pattern: str) -> Path:
    """The file that was written last."""
    return max(folder.glob(pattern), key=lambda path: path.stat().st_mtime)


def minor_of(python: str) -> int:
    """11 of Python 3.11."""
    return int(run(python, "-c", "import sys; print(sys.version_info.minor)"))


def _runs(python: str) -> bool:
    return subprocess.run([python, "-c", "import venv, ensurepip"], capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
