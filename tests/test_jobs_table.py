"""What a first user does with tables that are not laid out as the model's were: each job, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from typer.testing import CliRunner, Result

from seqae import AnomalyDetector, SequenceAutoencoder, forecast, load, read
from seqae.cli import app
from seqae.errors import DataWarning, InvalidSequence

RNG = np.random.default_rng(0)
N, STEPS = 12, 10
TIMES = np.tile(np.arange(STEPS), N)
FRAME = pd.DataFrame(
    {
        "unit": np.repeat(np.arange(N), STEPS),
        "second": TIMES,
        "a": np.sin(0.7 * TIMES + np.repeat(RNG.uniform(0, 6, N), STEPS)),
        "b": 100 + 10 * np.cos(0.5 * TIMES) + RNG.normal(size=N * STEPS),
    }
)
LAYOUT = {"id": "unit", "time": "second"}
SMALL: dict[str, Any] = {"latent_size": 2, "hidden_size": 3, "max_epochs": 2, "random_state": 0, "verbose": False}


@pytest.fixture(scope="module")
def model() -> SequenceAutoencoder:
    return SequenceAutoencoder(**SMALL).fit(read(FRAME, **LAYOUT))


@pytest.fixture(scope="module")
def detector() -> AnomalyDetector:
    return AnomalyDetector(SequenceAutoencoder(**SMALL), random_state=0).fit(read(FRAME, **LAYOUT))


# name: the same data, laid out another way
SAME: dict[str, Callable[[pd.DataFrame], Any]] = {
    "columns in another order": lambda frame: read(frame[["b", "second", "a", "unit"]], **LAYOUT),
    "columns beside them": lambda frame: read(frame.assign(c=1.0, d=2), **LAYOUT),
    "polars": lambda frame: read(pl.from_pandas(frame[["b", "a", "second", "unit"]]), **LAYOUT),
    "a list of frames": lambda frame: [part[["b", "note", "a"]] for _, part in frame.assign(note="x").groupby("unit")],
    "arrays by position": lambda frame: [part[["a", "b"]].to_numpy() for _, part in frame.groupby("unit")],
}
METHODS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "transform": lambda model, detector, X: model.transform(X),
    "reconstruct": lambda model, detector, X: model.reconstruct(X).values,
    "score_samples": lambda model, detector, X: model.score_samples(X),
    "detect": lambda model, detector, X: detector.score_samples(X),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SAME)
def test_the_layout_makes_no_difference(
    model: SequenceAutoencoder, detector: AnomalyDetector, name: str, method: str
) -> None:
    run = METHODS[method]
    expected = run(model, detector, read(FRAME, **LAYOUT))
    assert np.asarray(run(model, detector, SAME[name](FRAME))).tobytes() == np.asarray(expected).tobytes()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("change", [{"a": "alpha"}, {"b": "beta"}, {"a": "b", "b": "c"}])
def test_another_name_is_another_channel(
    model: SequenceAutoencoder, detector: AnomalyDetector, method: str, change: dict[str, str]
) -> None:
    renamed = FRAME.rename(columns=change)
    missing = next(name for name in ("a", "b") if name not in renamed)
    with pytest.raises(InvalidSequence, match=f"there is no channel '{missing}', which fit.. saw"):
        METHODS[method](model, detector, read(renamed, **LAYOUT))
    with pytest.raises(InvalidSequence, match=f"there is no channel '{missing}', which fit.. saw"):
        METHODS[method](model, detector, renamed.drop(columns=["unit", "second"]))


def test_a_saved_model_knows_its_names(tmp_path: Path, model: SequenceAutoencoder, detector: AnomalyDetector) -> None:
    for saved in (model, detector):
        saved.save(tmp_path / "m.seqae")
        again = load(tmp_path / "m.seqae")
        with pytest.raises(InvalidSequence, match="there is no channel 'b'"):
            again.score_samples(read(FRAME.rename(columns={"b": "c"}), **LAYOUT))


def test_forecast_goes_by_name_too() -> None:
    model = SequenceAutoencoder("composite", **SMALL).fit(read(FRAME, **LAYOUT))
    expected = forecast(model, read(FRAME, **LAYOUT), 2).values
    swapped = forecast(model, read(FRAME[["b", "a", "unit", "second"]], **LAYOUT), 2).values
    assert swapped.tobytes() == expected.tobytes()


# -- on the command line ---------------------------------------------------------------------------------------------


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


TINY = ["--latent-size", "2", "--hidden-size", "3", "--max-epochs", "1", "-q"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    FRAME.to_csv(tmp_path / "data.csv", index=False)
    columns = ["--id", "unit", "--time", "second"]
    assert run("fit", tmp_path / "data.csv", *columns, *TINY, "-o", tmp_path / "m.seqae").exit_code == 0
    return tmp_path


def test_unused_columns_may_hold_anything(folder: Path) -> None:
    FRAME.assign(note="text")[["note", "b", "unit", "a", "second"]].to_csv(folder / "more.csv", index=False)
    for name in ("data", "more"):
        result = run(
            "embed", folder / "m.seqae", folder / f"{name}.csv", "--id", "unit", "--time", "second", "-o",
            folder / f"{name}_z.csv",
        )  # fmt: skip
        assert result.exit_code == 0, result.stderr
    assert (folder / "data_z.csv").read_bytes() == (folder / "more_z.csv").read_bytes()


def test_ids_and_times_that_were_not_named_are_pointed_out(folder: Path) -> None:
    result = run("fit", folder / "data.csv", *TINY, "-o", folder / "m.seqae")
    warned = " ".join(result.stderr.split())
    assert result.exit_code == 0
    assert "warning: column 'unit' looks like the id of several sequences" in warned
    assert "--id unit" in warned


def test_ids_that_are_passed_over_are_pointed_out(model: SequenceAutoencoder) -> None:
    with pytest.warns(DataWarning, match="column 'unit' looks like the id of several sequences"):
        model.transform(FRAME)


def test_a_missing_channel_is_named(folder: Path) -> None:
    FRAME.rename(columns={"b": "c"}).to_csv(folder / "renamed.csv", index=False)
    columns = ["--id", "unit", "--time", "second"]
    for options in ([], ["--channels", "a,c"]):
        result = run("embed", folder / "m.seqae", folder / "renamed.csv", *columns, *options, "-o", folder / "z.csv")
        assert result.exit_code == 2
        assert "there is no channel 'b', which fit() saw" in " ".join(result.stderr.split())
