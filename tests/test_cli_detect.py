"""seqae detect: from files to a file, with ids and times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from seqae.cli import app

from .test_detect import SPIKE, WINDOW, autoencoder, broken_wave, wave


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["detect", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("detect")
    for name, x in (("normal", wave(600)), ("today", broken_wave())):
        minutes = pd.date_range("2026-01-01", periods=len(x), freq="min")
        pd.DataFrame({"minute": minutes, "a": x[:, 0], "b": x[:, 1]}).to_csv(path / f"{name}.csv", index=False)
    autoencoder().fit([wave(600, 5)[i : i + WINDOW] for i in range(0, 580, 20)]).save(path / "model.seqae")
    return path


def test_intervals_steps_and_sequences_are_written(folder: Path) -> None:
    normal = ("--normal", folder / "normal.csv", "--model", folder / "model.seqae", "--time", "minute")
    target, kept = folder / "found.csv", folder / "kept.seqae"
    result = run(folder / "today.csv", "-o", target, *normal, "--window", WINDOW, "--save", kept)
    assert result.exit_code == 0, result.output
    found = pd.read_csv(target, parse_dates=["peak_time"])
    top = found.loc[found["score"].idxmax()]
    assert SPIKE[0] - WINDOW <= top["peak"] < SPIKE[1] + WINDOW
    assert top["peak_time"] == pd.Timestamp("2026-01-01") + pd.Timedelta(minutes=int(top["peak"]))
    assert top["share_b"] > 0.5
    steps = folder / "steps.parquet"
    result = run(folder / "today.csv", "-o", steps, "--model", kept, "--time", "minute", "--rows", "step")
    assert result.exit_code == 0, result.output
    table = pd.read_parquet(steps)
    assert table["step"].tolist() == list(range(500))
    assert table["is_anomaly"].sum() == np.sum(found["end"] - found["start"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "give --normal FILE"),
        (("--model", "model.seqae"), "not a detector"),
        (("--normal", "normal.csv", "--window", "week"), "--window must be"),
        (("--normal", "normal.csv", "--score", "density"), "score must be"),
        (("--normal", "normal.csv", "--threshold", "median"), "threshold must be"),
    ],
)
def test_mistakes_are_one_line(options: tuple[str, ...], message: str, folder: Path) -> None:
    paths = [folder / option if option.endswith((".csv", ".seqae")) else option for option in options]
    result = run(folder / "today.csv", "-o", folder / "none.csv", "--time", "minute", *paths)
    assert result.exit_code != 0
    assert message in " ".join(f"{result.stderr}{result.exception or ''}".split())
    assert not (folder / "none.csv").exists()
