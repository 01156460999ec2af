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
    {"errors", "atomic"},
    {"checking", "parameters"},
    {"ragged"},
    {"reading", "scaling", "recurrence"},
    {"writing", "data", "baselines"},
    {"batching"},
    {"composition", "losses"},
    {"architectures"},
    {"model"},
    {"saving"},
    {"training"},
    {"inputs", "inference", "persistence"},
    {"estimator"},
    {"interop", "tasks"},
    {"loading"},
    {"plots", "demo", "bench"},
    {"report"},
    {"serve"},
    {"cli"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
FILES = sorted(path for path in SOURCE.rglob("*.py") if path.name != "__main__.py")


def module_of(path: Path) -> str:
    """The layer's name: the top-level module or package that the file belongs to."""
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported_modules(path: Path) -> set[str]:
    """Top-level modules of seqae that the file imports, anywhere in it."""
    depth = len(path.relative_to(SOURCE).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            if node.level == depth:
                found |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
            assert node.level <= depth, f"{path} imports from outside the package"
        elif isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("seqae"), f"{path}: import seqae's own modules relatively"
    return found - {"__version__", "_native"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path: Path) -> None:
    own = module_of(path)
    if own == "__init__":
        return
    assert own in RANK, f"{own} has no layer; give it one here"
    for imported in imported_modules(path) - {own}:
        assert RANK[imported] < RANK[own], f"{path.name} ({own}) must not import {imported}"


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
    heavy = ("torch", "sklearn", "pandas", "polars", "pyarrow", "lightning_fabric", "scipy", "narwhals", "safetensors")
    code = f"{statement}; import sys; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
