"""The speed benchmark: every row is measured, shown and written, and its absence is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest
from benchmarks.speed import Ratio, Size, measure
from benchmarks.speed import report as speed
from typer.testing import CliRunner

from seqae.cli import app


def test_the_table_is_shown_and_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = (Size(16, 1), Size(64, 8))
    made = [Ratio("train", "torch", size, 2.0 + k, 1.0, 2.0 + k, 1e9) for k, size in enumerate(sizes)]
    monkeypatch.setattr(speed, "measure", lambda **options: iter(made))
    result = CliRunner().invoke(app, ["bench", "--quick", "-o", str(tmp_path / "t.csv")])
    assert result.exit_code == 0, result.output
    assert "2.0x" in result.stdout
    assert "64 units, 8 ch." in result.stdout
    table = pd.read_csv(tmp_path / "t.csv")
    assert table["ratio"].tolist() == [2.0, 3.0]
    assert table["hidden_size"].tolist() == [16, 64]


def test_without_the_source_the_command_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["seqae.cli.bench"], "ROOT", tmp_path)  # seqae.cli.bench is the command itself
    result = CliRunner().invoke(app, ["bench"])
    assert result.exit_code == 2
    assert "pip install -e ." in result.stderr


@pytest.mark.long
def test_every_task_is_measured() -> None:
    ratios = list(measure(n_sequences=8, n_repeats=1, sizes=(Size(4, 1),)))
    assert {ratio.task.split(",")[0] for ratio in ratios} == {"train", "embed", "embed one sequence", "decode"}
    assert all(ratio.ratio == pytest.approx(ratio.peer_seconds / ratio.seconds) for ratio in ratios)
