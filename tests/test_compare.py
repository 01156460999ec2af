"""compare(): the same splits for all, honest intervals, and the one-standard-error rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seqae import Architecture, Ragged
from seqae.baselines import MeanSequence
from seqae.cli import app
from seqae.comparison import ComparedRow, _recommend, compare
from seqae.errors import InvalidParameter, InvalidSequence
from seqae.sequences.scaling import fit_scaling

from .conftest import make_waves

TINY = {"latent_size": 4, "hidden_size": 6, "max_epochs": 3}


def test_each_row_is_what_it_says() -> None:
    X = make_waves(24, seed=0)
    y = np.arange(24) % 2
    calls: list[tuple[str, int]] = []
    result = compare(
        X, y, architectures=["repeat", "reshape"], n_seeds=2, on_fit=lambda *call: calls.append(call), **TINY
    )
    assert calls == [("repeat", 0), ("repeat", 1), ("reshape", 0), ("reshape", 1)]
    repeat, reshape, mean, pca = result.rows
    assert "one length" in reshape.problem
    assert np.isnan(reshape.error)
    assert (result.n_training, result.n_held_out) == (18, 6)
    assert repeat.low < repeat.error < repeat.high
    assert repeat.n_parameters > 0 < repeat.seconds
    assert repeat.accuracy is not None
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


def test_the_same_seeds_give_the_same_table() -> None:
    X = make_waves(16, seed=0)
    named = {"wide": Architecture(encoder_sizes=(9,)), "plain": "repeat"}
    first, second = (compare(X, architectures=named, n_seeds=1, **TINY) for _ in range(2))
    assert [row.name for row in first.rows][:2] == ["wide", "plain"]
    assert [row.error for row in first.rows] == [row.error for row in second.rows]
    assert first.rows[0].error != first.rows[1].error


def row(name: str, error: float, standard_error: float, n_parameters: int) -> ComparedRow:
    return ComparedRow(name, error, 0, 0, standard_error, None, n_parameters, 0)


def test_the_smallest_within_one_standard_error_is_recommended() -> None:
    rows = [row("large", 1.0, 0.2, 1000), row("small", 1.1, 0.2, 10), row("tiny", 1.3, 0.2, 1)]
    name, reason = _recommend(rows)
    assert name == "small"
    assert "within one standard error" in reason
    assert _recommend(rows[::2])[0] == "large"


def test_baselines_that_need_every_value_say_why_they_are_left_out() -> None:
    X = make_waves(16, seed=0)
    X[3][1] = np.nan
    result = compare(Ragged.from_any(X, missing="mask"), architectures=["repeat"], n_seeds=1, **TINY)
    assert result.recommended == "repeat"
    assert [row.name for row in result.rows if row.problem] == ["mean sequence", "PCA of resampled"]
    assert "some are missing" in result.rows[1].problem


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


def test_on_the_command_line(tmp_path: Path) -> None:
    frames = [
        pd.DataFrame({"id": i, "x": x[:, 0], "y": x[:, 1], "kind": i % 2}) for i, x in enumerate(make_waves(16, seed=0))
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
    wrong = CliRunner().invoke(app, [*command[: -len(options) - 1], "x", *options])
    assert wrong.exit_code == 2
    assert "must be constant" in wrong.output
