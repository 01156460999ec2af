"""The shape of the code: imports point down, files and functions are short, the public face is what it says."""

from __future__ import annotations

import ast
import inspect
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import seqae

SOURCE = Path(seqae.__file__).parent
LAYERS = [
    {"errors", "storage.files"},
    {"parameters", "sequences.checks"},
    {"sequences"},
    {"reading", "recurrence"},
    {"storage.tables", "storage.model_file", "data", "baselines"},
    {"model"},
    {"training"},
    {"storage.autoencoder", "inference"},
    {"estimator"},
    {"forecasting", "comparison", "interop"},
    {"detection"},
    {"storage.loading"},
    {"plots", "demo", "bench"},
    {"report"},
    {"serve"},
    {"cli"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
FILES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__main__.py")


def module_of(path: Path) -> str:
    """The dotted name of a file's module, without the package's own."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module: str) -> int | None:
    """The rank of the longest prefix that has one."""
    parts = module.split(".")
    for n in range(len(parts), 0, -1):
        if ".".join(parts[:n]) in RANK:
            return RANK[".".join(parts[:n])]
    return None


def imported_modules(path: Path) -> set[str]:
    """Modules of seqae that the file imports, anywhere in it."""
    package = path.relative_to(SOURCE).parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level <= len(package) + 1, f"{path} imports from outside the package"
            base = ".".join(package[: len(package) - node.level + 1])
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found |= {f"{base}.{name}".lstrip(".") for name in names}
        elif isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("seqae"), f"{path}: import seqae's own modules relatively"
    return found - {"__version__", "_native"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    own = module_of(path)
    if own in ("", "__main__") or path.name == "__init__.py":
        return
    rank = layer_of(own)
    assert rank is not None, f"{own} has no layer; give it one here"
    for imported in imported_modules(path):
        below = layer_of(imported)
        is_own_room = imported.split(".")[0] == own.split(".")[0] and below == rank
        assert is_own_room or (below is not None and below < rank), f"{own} must not import {imported}"


def test_compiled_code_is_seen_by_native_alone() -> None:
    seers = {str(path.relative_to(SOURCE)) for path in FILES if "seqae._native" in path.read_text()}
    assert seers == {"recurrence/compiled.py"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_are_short(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name != "__init__":
            body = node.body[1:] if ast.get_docstring(node) else node.body
            n_lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert n_lines <= 50, f"{path.name}: {node.name} has {n_lines} lines"


def test_most_files_and_functions_are_very_short() -> None:
    assert statistics.median(len(path.read_text().splitlines()) for path in FILES) <= 200


def test_all_is_sorted_documented_and_importable() -> None:
    assert seqae.__all__ == sorted(seqae.__all__)
    for name in seqae.__all__:
        assert inspect.getdoc(getattr(seqae, name)), f"seqae.{name} has no docstring"
    assert set(seqae.__all__) <= set(dir(seqae))


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Autoencoder'"):
        seqae.Autoencoder


def test_constructors_stay_small() -> None:
    parameters = inspect.signature(seqae.SequenceAutoencoder).parameters
    assert len(parameters) == 16


@pytest.mark.parametrize("statement", ["import seqae", "import seqae.cli"])
def test_import_loads_nothing_heavy(statement: str) -> None:
    heavy = ("torch", "sklearn", "pandas", "polars", "pyarrow", "scipy", "narwhals", "safetensors")
    code = f"{statement}; import sys; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
