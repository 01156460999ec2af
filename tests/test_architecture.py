"""The shape of the code: imports point down, files and functions are short, the public face is what it says."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable

import pytest
from scripts import source, structure

import seqae

MEASURES = {
    "walks": structure.figures_of_walks,
    "imports": structure.figures_of_imports,
    "types": structure.figures_of_types,
    "lengths": structure.figures_of_lengths,
}


@pytest.mark.parametrize("figures", MEASURES.values(), ids=MEASURES.keys())
def test_structure_is_within_its_limits(figures: Callable[[], list[structure.Figure]]) -> None:
    for figure in figures():
        told = "\n".join(figure.parts)
        assert figure.is_held, f"{figure.name}: {figure.value:g}, at most {figure.limit.held:g}:\n{told}"


def test_every_limit_is_measured_once_and_at_its_goal_or_above() -> None:
    assert all(limit.goal <= limit.held for limit in structure.LIMITS.values())
    named = [figure.name for measure in MEASURES.values() for figure in measure()]
    assert sorted(named) == sorted(structure.LIMITS)


def test_compiled_code_is_seen_by_native_alone() -> None:
    seers = [name for name, module in source.modules().items() if "seqae._native" in module.text]
    assert seers == ["recurrence.native.operations"]


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
    assert len(parameters) == 17


@pytest.mark.parametrize("statement", ["import seqae", "import seqae.cli"])
def test_import_loads_nothing_heavy(statement: str) -> None:
    heavy = ("torch", "sklearn", "pandas", "polars", "pyarrow", "scipy", "narwhals", "safetensors")
    code = f"{statement}; import sys; print([name for name in {heavy!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
