"""Continuation of sequences, from Python and from the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seqae import Ragged, SequenceAutoencoder, load
from seqae.cli import app
from seqae.errors import InvalidParameter, InvalidSequence
from seqae.forecasting import forecast, next_steps
from seqae.model.architecture import (
    Architecture,
    Autoregressive,
    EncoderPlan,
    FreeRunning,
    LatentPlan,
    Predict,
    TrainingPlan,
)
from seqae.model.presets import PRESETS

from .conftest import make_waves


def waves(n: int, *, seed: int, shortest: int, longest: int) -> list[np.ndarray]:
    """Sines of frequencies in 0.15..0.45 and any phase, one channel."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(shortest, longest + 1, n)
    return [np.sin(rng.uniform(0, 6) + rng.uniform(0.15, 0.45) * np.arange(k))[:, None] for k in lengths]


def r2(actual: np.ndarray, told: np.ndarray) -> float:
    return float(1 - ((actual - told) ** 2).sum() / ((actual - actual.mean()) ** 2).sum())


@pytest.fixture(scope="module")
def fitted() -> SequenceAutoencoder:
    return SequenceAutoencoder("composite", latent_size=4, hidden_size=6, max_epochs=2, random_state=0).fit(
        make_waves(12, seed=0)
    )


def test_any_number_of_steps_follows_each_sequence(fitted: SequenceAutoencoder) -> None:
    X = make_waves(5, seed=1)
    told = forecast(fitted, X, 7)
    assert told.lengths.tolist() == [7] * 5
    alone = np.stack([forecast(fitted, [x], 7)[0] for x in X])
    np.testing.assert_allclose(np.stack(list(told)), alone, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.stack([t[:2] for t in told]), np.stack(list(forecast(fitted, X, 2))), atol=1e-6)
    with pytest.raises(InvalidParameter, match="n_steps"):
        forecast(fitted, X, 0)
    other = SequenceAutoencoder(latent_size=4, hidden_size=6, max_epochs=1).fit(X)
    with pytest.raises(InvalidParameter, match="does not continue"):
        forecast(other, X, 3)


def test_next_steps_are_forecasts_of_windows(fitted: SequenceAutoencoder) -> None:
    series = make_waves(1, seed=3, shortest=20, longest=20)[0]
    result = next_steps(fitted, series, 8)
    assert result.predicted.shape == result.actual.shape == (12, 2)
    np.testing.assert_allclose(result.actual, series[8:], rtol=1e-6)
    for k in (0, 11):
        np.testing.assert_allclose(result.predicted[k], forecast(fitted, [series[k : k + 8]], 1)[0][0], atol=1e-6)
    np.testing.assert_allclose(result.errors, result.actual - result.predicted)
    frame = result.to_frame()
    assert frame.column_names == [
        "step",
        "predicted_channel_0",
        "actual_channel_0",
        "predicted_channel_1",
        "actual_channel_1",
    ]
    assert frame["step"].to_pylist() == list(range(8, 20))
    np.testing.assert_array_equal(frame["actual_channel_1"], result.actual[:, 1])
    with pytest.raises(InvalidSequence, match="needs at least 21"):
        next_steps(fitted, series, 20)
    with pytest.raises(InvalidSequence, match="one series"):
        next_steps(fitted, Ragged.from_any([series, series]), 8)


def continuation(n_steps: int, **settings: object) -> SequenceAutoencoder:
    """The sine model: states handed over, free running, no reconstruction."""
    architecture = Architecture(
        encoder=EncoderPlan(is_bidirectional=False),
        latent=LatentPlan(summary="states"),
        decoder=Autoregressive(feedback=FreeRunning()),
        training=TrainingPlan(task=Predict(after=n_steps)),
    )
    defaults = {"latent_size": 32, "hidden_size": 48, "batch_size": 16, "learning_rate": 1e-2, "patience": None}
    return SequenceAutoencoder(architecture, random_state=0, **{**defaults, **settings})


def score(ae: SequenceAutoencoder, n_steps: int) -> float:
    """R2 of the n_steps steps after 30 to 60 of sines that training never saw."""
    unseen = waves(100, seed=1, shortest=30 + n_steps, longest=60 + n_steps)
    told = forecast(ae, [x[:-n_steps] for x in unseen], n_steps)
    return r2(np.concatenate([x[-n_steps:] for x in unseen]), np.asarray(told.values))


@pytest.mark.long
def test_a_sine_is_continued() -> None:
    ae = continuation(5, max_epochs=25, hidden_size=24)
    assert score(ae.fit(waves(300, seed=0, shortest=20, longest=40)), 5) > 0.9


@pytest.mark.long
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_preset_continues_a_sine_for_150_steps(cell: Literal["gru", "lstm"]) -> None:
    """Four layers each side, running free, from inputs of 30 to 60 steps."""
    plan = replace(PRESETS["seq2seq"], training=TrainingPlan(task=Predict(after=150)))
    settings: dict[str, Any] = {"hidden_size": 32, "batch_size": 16, "max_epochs": 60, "patience": None, "scale": False}
    ae = SequenceAutoencoder(plan, cell=cell, random_state=0, **settings)
    assert score(ae.fit(waves(500, seed=0, shortest=180, longest=210)), 150) > 0.9


def test_any_preset_continues_from_the_command_line(tmp_path: Path) -> None:
    frames = [pd.DataFrame({"id": i, "x": x[:, 0]}) for i, x in enumerate(waves(8, seed=0, shortest=9, longest=12))]
    pd.concat(frames).to_csv(tmp_path / "x.csv", index=False)
    model, files = str(tmp_path / "m.seqae"), [str(tmp_path / "x.csv"), "--id", "id"]
    tiny = ["--max-epochs", "1", "--hidden-size", "3", "--architecture", "seq2seq", "-q"]
    for steps, code in (("4", 0), ("0", 0), ("-1", 2), ("12", 2)):
        result = CliRunner().invoke(app, ["fit", *files, *tiny, "--predicted-steps", steps, "-o", model])
        assert result.exit_code == code, result.output
        assert code == 0 or "--predicted-steps" in result.stderr or "predicts 12 of them" in result.stderr
        if steps == "4":
            assert load(model).architecture == PRESETS["seq2seq"].predicting(4)
            result = CliRunner().invoke(app, ["forecast", model, *files, "-n", "6", "-o", str(tmp_path / "y.csv")])
            assert len(pd.read_csv(tmp_path / "y.csv")) == 8 * 6, result.output


def test_on_the_command_line(fitted: SequenceAutoencoder, tmp_path: Path) -> None:
    X = make_waves(3, seed=5)
    frames = [pd.DataFrame({"person": f"p{i}", "a": x[:, 0], "b": x[:, 1]}) for i, x in enumerate(X)]
    pd.concat(frames).to_csv(tmp_path / "walks.csv", index=False)
    fitted.save(tmp_path / "m.seqae")
    files = [str(tmp_path / name) for name in ("m.seqae", "walks.csv")]
    options = ["--id", "person", "--channels", "a,b", "--steps", "4", "-o", str(tmp_path / "next.csv")]
    result = CliRunner().invoke(app, ["forecast", *files, *options])
    assert result.exit_code == 0, result.output
    table = pd.read_csv(tmp_path / "next.csv")
    assert table.columns.tolist() == ["person", "step", "a", "b"]
    assert table["step"].tolist() == [len(x) + k for x in X for k in range(4)]
    expected = np.concatenate(list(forecast(load(tmp_path / "m.seqae"), X, 4)))
    np.testing.assert_allclose(table[["a", "b"]].to_numpy(), expected, atol=1e-5)


def test_lengths_are_those_of_what_is_encoded() -> None:
    X = waves(9, seed=0, shortest=20, longest=30)
    head = continuation(5, max_epochs=1).fit(X).model_.require_length_head()
    mean, _, longest = head.statistics.tolist()
    lengths = np.array([len(x) for x in X]) - 5
    assert longest == lengths.max()
    assert abs(mean - lengths.mean()) < 1  # one of nine is held out
