"""seqae drift and seqae update: a saved detector while its data change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from seqae import AnomalyDetector, load, read
from seqae.cli import app

from .test_detect import detector, wave


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "80"})


def written(path: Path, x: np.ndarray) -> Path:
    minutes = pd.date_range("2026-01-01", periods=len(x), freq="min")
    pd.DataFrame({"minute": minutes, "a": x[:, 0], "b": x[:, 1]}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("operating")
    normal = read(written(folder / "normal.csv", wave(600)), time="minute")
    detector().fit(normal).save(folder / "detector.seqae")
    return folder / "detector.seqae"


def fitted(path: Path) -> AnomalyDetector:
    found = load(path)
    assert isinstance(found, AnomalyDetector)
    return found


def test_drift_tells_what_python_tells(saved: Path, tmp_path: Path) -> None:
    data, table = written(tmp_path / "newer.csv", 1.5 * wave(400, 9)), tmp_path / "moved.csv"
    result = run("drift", saved, data, "--time", "minute", "-o", table)
    assert result.exit_code == 0, result.output
    expected = fitted(saved).drift(read(data, time="minute"))
    assert str(expected) in result.output
    row = pd.read_csv(table).iloc[0]
    assert row["stability"] == pytest.approx(expected.stability, rel=1e-6)
    assert row["n_scores"] == expected.n_scores


def test_update_keeps_the_detector_that_python_makes_in_its_place(saved: Path, tmp_path: Path) -> None:
    data, kept = written(tmp_path / "newer.csv", 1.5 * wave(400, 9)), tmp_path / "kept.seqae"
    kept.write_bytes(saved.read_bytes())
    newer = read(data, time="minute")
    result = run("update", kept, data, "--time", "minute", "-o", kept)
    assert result.exit_code == 0, result.output
    before, expected, found = fitted(saved), fitted(saved).update(newer), fitted(kept)
    assert found.threshold_ == expected.threshold_ != before.threshold_
    np.testing.assert_array_equal(found.held_out_scores_, expected.held_out_scores_)
    np.testing.assert_array_equal(found.score_samples(newer)[0], before.score_samples(newer)[0])
    assert "scores have moved" in result.output
    again = run("drift", kept, data)  # the layout is remembered
    assert again.exit_code == 0, again.output


def test_other_files_are_refused(saved: Path, tmp_path: Path) -> None:
    data = written(tmp_path / "newer.csv", wave(100))
    for arguments in (("drift", data, data), ("update", saved, data, "-o", data)):
        before = data.read_bytes()
        result = run(*arguments, "--time", "minute")
        assert result.exit_code == 2
        assert len(result.output.strip().splitlines()) == 1
        assert data.read_bytes() == before
