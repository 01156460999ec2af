"""compare(): the same splits for all, honest intervals, and the one-standard-error rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seqae import Ragged, SequenceAutoencoder
from seqae.baselines import MeanSequence
from seqae.cli import app
from seqae.cli.files import DataFile
from seqae.comparison import ComparedRow, compare
from seqae.comparison.fits import _Watch
from seqae.comparison.result import recommend
from seqae.errors import InvalidParameter, InvalidSequence
from seqae.model.architecture import Architecture, EncoderPlan, Units
from seqae.sequences.scaling import fit_scaling
from seqae.training.history import Epoch

from .conftest import make_waves

TINY: dict[str, Any] = {"latent_size": 4, "hidden_size": 6, "max_epochs": 3, "verbose": False}


def test_each_row_is_what_it_says() -> None:
    X = make_waves(24, seed=0)
    y = np.arange(24) % 2
    calls: list[tuple[str, int]] = []
    result = compare(
        X, y, architectures=["repeat", "reshape"], n_seeds=2, on_fit=lambda *call: calls.append(call), **TINY
    )
    assert calls == [("repeat", 0), ("repeat", 1), ("reshape", 0)]
    repeat, reshape, mean, pca = result.rows
    assert "one length" in reshape.problem
    assert np.isnan(reshape.error)
    assert (result.n_training, result.n_held_out) == (18, 6)
    assert repeat.low < repeat.error < repeat.high
    assert repeat.n_parameters > 0 < repeat.seconds
    assert repeat.accuracy is not None
    assert repeat.nearest is not None
    assert repeat.is_falling
    assert (mean.is_baseline, mean.accuracy, pca.is_baseline) == (True, None, True)
    assert result.recommended in {row.name for row in result.rows}
    shuffled = np.random.default_rng([0, 1]).permutation(24)
    held_out, training = np.sort(shuffled[:6]), np.sort(shuffled[6:])
    sequences = Ragged.from_any(X)
    scale = fit_scaling(sequences[training]).scale
    told = MeanSequence.fit(sequences[training]).reconstruct(sequences[held_out])
    errors = [(((told[k] - X[i]) / scale) ** 2).mean() for k, i in enumerate(held_out)]
    assert mean.error == pytest.approx(np.mean(errors), rel=1e-5)
    assert mean.high - mean.error == pytest.approx(1.96 * np.std(errors, ddof=1) / np.sqrt(6), rel=1e-5)
    centre = fit_scaling(sequences[training]).centre
    squares, power = (
        sum(part(k, i) for k, i in enumerate(held_out))
        for part in (
            lambda k, i: (((told[k] - X[i]) / scale) ** 2).sum(),
            lambda k, i: (((X[i] - centre) / scale) ** 2).sum(),
        )
    )
    assert mean.explained == pytest.approx(1 - squares / power, rel=1e-5)


def test_the_default_is_compared_with_the_others() -> None:
    X, y = make_waves(24, seed=0), np.arange(24) % 2
    result = compare(X, y, architectures=["hybrid", "repeat"], n_seeds=1, quality="fast", max_epochs=2, verbose=False)
    hybrid, repeat, mean, pca = result.rows
    assert [row.latent_size for row in result.rows] == [64, 32, None, 32]
    assert hybrid.explained > repeat.explained
    assert hybrid.explained > mean.explained
    assert pca.name == "PCA of resampled"


def test_the_same_seeds_give_the_same_table() -> None:
    X = make_waves(16, seed=0)
    named = {"wide": Architecture(encoder=EncoderPlan(layers=Units((9,)))), "plain": "repeat"}
    first, second = (compare(X, architectures=named, n_seeds=1, **TINY) for _ in range(2))
    assert [row.name for row in first.rows][:2] == ["wide", "plain"]
    assert [row.error for row in first.rows] == [row.error for row in second.rows]
    assert first.rows[0].error != first.rows[1].error


def row(name: str, error: float, standard_error: float, n_parameters: int) -> ComparedRow:
    return ComparedRow(name, 4, error, 0, 0, standard_error, None, n_parameters, 0)


def test_the_smallest_within_one_standard_error_is_recommended() -> None:
    rows = [row("large", 1.0, 0.2, 1000), row("small", 1.1, 0.2, 10), row("tiny", 1.3, 0.2, 1)]
    name, reason = recommend(rows, 100)
    assert name == "small"
    assert "within one standard error" in reason
    assert "hybrid" not in reason
    assert recommend(rows[::2], 100)[0] == "large"


def test_what_cannot_be_read_is_not_recommended() -> None:
    """With 100 held-out sequences, an accuracy of .9 has a standard error of .03."""
    large, small, tiny = row("hybrid", 1.0, 0.2, 1000), row("small", 1.1, 0.2, 10), row("tiny", 1.2, 0.2, 1)
    rows = [replace(large, accuracy=0.9), replace(small, accuracy=0.88), replace(tiny, accuracy=0.86)]
    name, reason = recommend(rows, 100)
    assert name == "small"
    assert "its vectors can be read (0.880)" in reason
    assert reason.endswith("; hybrid: 1, read with 0.900 against 0.880")
    assert recommend([rows[0], rows[2]], 100)[0] == "hybrid"
    assert recommend([rows[0], replace(rows[1], error=1.3)], 100)[0] == "hybrid"
    assert recommend([large, small], 100)[1].endswith(
        "; hybrid: 1, and its vectors also describe, which only labels would show"
    )


def test_values_may_be_missing() -> None:
    X = make_waves(16, seed=0)
    X[3][1] = np.nan
    result = compare(Ragged.from_any(X, missing="mask"), architectures=["repeat"], n_seeds=1, **TINY)
    assert [row.name for row in result.rows] == ["repeat", "mean sequence", "PCA of resampled"]
    assert all(0 < row.error < 10 and not row.problem for row in result.rows)


def test_what_cannot_be_compared_is_refused() -> None:
    X = make_waves(16, seed=0)
    with pytest.raises(InvalidParameter, match="repeat, stacked"):
        compare(X, architectures=["lstm"])
    with pytest.raises(InvalidParameter, match="at least one"):
        compare(X, architectures=[])
    with pytest.raises(InvalidSequence, match="at least 8"):
        compare(X[:7])
    with pytest.raises(InvalidParameter, match="one label for each"):
        compare(X, [1, 2])
    with pytest.raises(InvalidParameter, match="could be fitted"):
        compare(X, architectures=["reshape"], **TINY)


def test_runs_and_epochs_are_tables_too() -> None:
    X = make_waves(24, seed=0)
    result = compare(X, np.arange(24) % 2, architectures=["repeat", "reshape"], n_seeds=2, **TINY)
    assert [(run.name, run.seed) for run in result.runs] == [("repeat", 0), ("repeat", 1)]
    assert result.rows[0].error == pytest.approx(np.mean([run.error for run in result.runs]))
    rows = result.to_frame().to_pydict()
    assert rows["name"] == [row.name for row in result.rows]
    assert rows["latent_size"] == [4, 4, None, 4]
    runs = result.to_frame("run").to_pydict()
    assert runs["error"] == [run.error for run in result.runs]
    assert runs["stopped_by"] == ["max_epochs"] * 2
    epochs = result.to_frame("epoch").to_pandas()
    assert list(epochs.columns[:4]) == ["name", "latent_size", "seed", "epoch"]
    assert len(epochs) == 6
    second = epochs[epochs["seed"] == 1]
    assert second["training_loss"].tolist() == [epoch.training_loss for epoch in result.runs[1].history.epochs]
    with pytest.raises(InvalidParameter, match="rows must be one of"):
        result.to_frame("seed")  # pyright: ignore[reportArgumentType]


def test_a_run_is_what_the_estimator_gives() -> None:
    X = Ragged.from_any(make_waves(24, seed=0))
    run = compare(X, architectures=["repeat"], n_seeds=1, random_state=5, cell="gru", batch_size=6, **TINY).runs[0]
    shuffled = np.random.default_rng([5, 1]).permutation(24)
    ae = SequenceAutoencoder("repeat", random_state=5, cell="gru", batch_size=6, **TINY).fit(X[np.sort(shuffled[6:])])
    assert [e.training_loss for e in run.history.epochs] == [e.training_loss for e in ae.history_.epochs]


def test_several_latent_sizes_are_compared() -> None:
    result = compare(make_waves(16, seed=0), architectures=["repeat"], n_seeds=1, **TINY | {"latent_size": [4, 1]})
    assert [(row.name, row.latent_size) for row in result.rows] == [
        ("repeat, 4 values", 4),
        ("repeat, 1 value", 1),
        ("mean sequence", None),
        ("PCA of resampled, 4 values", 4),
        ("PCA of resampled, 1 value", 1),
    ]
    one = compare(make_waves(16, seed=0), architectures=["repeat"], n_seeds=1, **TINY | {"latent_size": 1})
    assert [row.error for row in one.rows] == [row.error for row in result.rows[1:] if row.latent_size in (1, None)]
    for wrong in ([], [4, 0], "48"):
        with pytest.raises(InvalidParameter, match="latent_size must be"):
            compare(make_waves(16, seed=0), latent_size=wrong)  # pyright: ignore[reportArgumentType]


def interrupt_after(n_epochs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a KeyboardInterrupt come when so many epochs of all fits together have ended."""
    told, n_left = _Watch.on_epoch_end, [n_epochs]

    def on_epoch_end(watch: _Watch, epoch: Epoch) -> None:
        told(watch, epoch)
        n_left[0] -= 1
        if n_left[0] == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(_Watch, "on_epoch_end", on_epoch_end)


def test_an_interrupt_ends_the_comparison_and_marks_what_it_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    X, names = make_waves(16, seed=0), ["repeat", "state", "stacked"]
    whole = compare(X, architectures=names, n_seeds=2, **TINY)
    interrupt_after(3 * 3 + 2, monkeypatch)  # the second epoch of the fourth fit
    cut = compare(X, architectures=names, n_seeds=2, interrupt="keep", **TINY)
    assert [(run.name, run.history.stopped_by) for run in cut.runs] == [
        ("repeat", "max_epochs"),
        ("repeat", "max_epochs"),
        ("state", "max_epochs"),
        ("state", "interrupt"),
    ]
    assert [row.is_cut for row in cut.rows] == [False, True, True, False, False]
    assert cut.rows[0].error == whole.rows[0].error
    assert cut.rows[1].error == pytest.approx(np.mean([run.error for run in cut.runs[2:]]))
    assert "interrupted" in cut.rows[2].problem
    assert cut.is_interrupted
    assert not whole.is_interrupted
    assert cut.recommended not in ("state", "stacked")


def test_an_interrupt_is_raised_unless_it_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(1, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        compare(make_waves(16, seed=0), architectures=["repeat", "state"], n_seeds=1, **TINY)
    interrupt_after(1, monkeypatch)
    cut = compare(make_waves(16, seed=0), architectures=["repeat", "state"], n_seeds=1, interrupt="keep", **TINY)
    assert (cut.recommended, cut.reason) == ("", "an interrupt came before any architecture was fitted")
    assert [len(run.history.epochs) for run in cut.runs] == [1]


@pytest.mark.parametrize("kinds", [[1.0, 2.0], [1, 2], ["a", "b"]])
def test_labels_may_be_of_any_kind(tmp_path: Path, kinds: list[object]) -> None:
    waves = make_waves(16, seed=0)
    frame = pd.concat(pd.DataFrame({"id": i, "x": x[:, 0], "kind": kinds[i % 2]}) for i, x in enumerate(waves))
    frame.to_parquet(tmp_path / "walks.parquet")
    source, labels = DataFile([str(tmp_path / "walks.parquet")], id="id").read_labelled("kind")
    assert source.channel_names == ("x",)
    assert labels is not None
    assert labels.tolist() == [str(kinds[i % 2]).removesuffix(".0") for i in range(16)]


def test_on_the_command_line(tmp_path: Path) -> None:
    frames = [
        pd.DataFrame({"id": i, "x": x[:, 0], "y": x[:, 1], "kind": "ab"[i % 2]})
        for i, x in enumerate(make_waves(16, seed=0))
    ]
    pd.concat(frames).to_csv(tmp_path / "walks.csv", index=False)
    options = ["--architectures", "repeat,stacked", "--n-seeds", "1", "--max-epochs", "2", "--hidden-size", "4"]
    command = ["compare", str(tmp_path / "walks.csv"), "--id", "id", "--latent-size", "3", "--label", "kind", *options]
    result = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "table.csv")])
    assert result.exit_code == 0, result.output
    assert "Use " in result.output
    table = pd.read_csv(tmp_path / "table.csv")
    assert table["name"].tolist() == ["repeat", "stacked", "mean sequence", "PCA of resampled"]
    assert table["accuracy"].notna().tolist() == [True, True, False, True]
    runs = CliRunner().invoke(
        app, [*command, "--n-seeds", "2", "--rows", "run", "-q", "-o", str(tmp_path / "runs.csv")]
    )
    assert runs.exit_code == 0, runs.output
    assert pd.read_csv(tmp_path / "runs.csv")["seed"].tolist() == [0, 1, 0, 1]
    piped = CliRunner().invoke(
        app,
        ["compare", "-", *command[2:], "-o", str(tmp_path / "piped.csv")],
        input=(tmp_path / "walks.csv").read_bytes(),
    )
    assert piped.exit_code == 0, piped.output
    assert pd.read_csv(tmp_path / "piped.csv")["accuracy"].equals(table["accuracy"])
    wrong = CliRunner().invoke(app, [*command[: -len(options) - 1], "x", "--channels", "x,y", *options])
    assert wrong.exit_code == 2
    assert "must be constant" in wrong.output
