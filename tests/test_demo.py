"""The packaged vowels, and the demo on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seqae import SequenceAutoencoder, load
from seqae.baselines import MeanSequence, explained_variance
from seqae.cli import app
from seqae.comparison import accuracies
from seqae.data import PATH, japanese_vowels
from seqae.demo import run
from seqae.errors import InvalidParameter


def test_parts_are_the_authors() -> None:
    train, test = japanese_vowels("train"), japanese_vowels("test")
    np.testing.assert_array_equal(np.bincount(train.speakers)[1:], [30] * 9)
    np.testing.assert_array_equal(np.bincount(test.speakers)[1:], [31, 35, 88, 44, 29, 24, 40, 50, 29])
    assert (train.sequences.lengths.min(), train.sequences.lengths.max()) == (7, 26)
    assert (test.sequences.lengths.min(), test.sequences.lengths.max()) == (7, 29)
    assert list(train.source.ids) + list(test.source.ids) == list(range(640))
    assert train.source.channel_names == tuple(f"lpc_{k}" for k in range(1, 13))
    np.testing.assert_allclose(train.sequences[0][0, :2], [1.860936, -0.207383])


def test_the_data_is_the_archives(shared_data: Path) -> None:
    with np.load(shared_data / "cls_JapaneseVowels.npz") as archive:
        values, lengths, speakers = archive["values"], archive["lengths"], archive["y"].astype(int)
    parts = [japanese_vowels("train"), japanese_vowels("test")]
    np.testing.assert_array_equal(np.concatenate([part.sequences.compact().values for part in parts]), values)
    np.testing.assert_array_equal(np.concatenate([part.sequences.lengths for part in parts]), lengths)
    np.testing.assert_array_equal(np.concatenate([part.speakers for part in parts]), speakers)


def test_the_file_stands_beside_its_licence() -> None:
    assert "CC BY 4.0" in PATH.with_suffix(".md").read_text()
    assert PATH.stat().st_size < 500_000


def test_unknown_part() -> None:
    with pytest.raises(InvalidParameter, match="'train' or 'test', got 'all'"):
        japanese_vowels("all")  # pyright: ignore[reportArgumentType]


def test_demo_writes_what_it_says(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "out"
    result = CliRunner().invoke(app, ["demo", "-o", str(folder), "--max-epochs", "1"])
    assert result.exit_code == 0, result.stderr
    for part in (
        "default (hybrid), 128 values",
        "recurrent (repeat), 32 values",
        "mean sequence",
        "PCA, 33 components",
        "logistic regression",
        "Next:",
        "report.html in a browser",
    ):
        assert part in result.stdout
    page = (folder / "report.html").read_text()
    assert "seqae embed" in page
    assert "370" in page
    vectors = pd.read_parquet(folder / "vectors.parquet")
    assert vectors.shape == (370, 129)
    assert list(vectors["utterance"]) == list(range(270, 640))
    steps, again = pd.read_csv(folder / "test.csv"), pd.read_parquet(folder / "reconstructions.parquet")
    assert list(steps.columns) == list(again.columns)
    np.testing.assert_array_equal(steps[["utterance", "step"]], again[["utterance", "step"]])
    np.testing.assert_array_equal(
        load(folder / "model.seqae").transform(japanese_vowels("test").source), vectors.iloc[:, 1:]
    )


def test_the_commands_that_it_names_work(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path), "--max-epochs", "1"])
    named = [
        line.split()[1:] for line in result.stdout.splitlines() if line.startswith("  seqae ") and "YOUR" not in line
    ]
    assert [command[0] for command in named] == ["info", "embed"]
    for command in named:
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.stderr
    np.testing.assert_allclose(
        pd.read_csv(tmp_path / "again.csv").to_numpy(),
        pd.read_parquet(tmp_path / "vectors.parquet"),
        rtol=1e-4,
        atol=1e-4,
    )


def test_demo_needs_a_folder_that_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["demo", "-o", str(tmp_path / "file" / "out")])
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1)
    assert "cannot make the folder" in result.stderr


def test_the_default_is_not_below_pca_in_any_column(tmp_path: Path) -> None:
    usual, recurrent, mean, pca = run(tmp_path, max_epochs=1).rows
    assert usual.explained_variance > pca.explained_variance > mean.explained_variance
    assert usual.explained_variance > recurrent.explained_variance
    for own, other in (
        (usual.nearest_accuracy, pca.nearest_accuracy),
        (usual.logistic_accuracy, pca.logistic_accuracy),
    ):
        assert own is not None
        assert other is not None
        assert own >= other


@pytest.mark.long
def test_default_settings_do_well_on_the_vowels() -> None:
    train, test = japanese_vowels("train"), japanese_vowels("test")
    model = SequenceAutoencoder("repeat", random_state=0, verbose=False).fit(train.source)
    vectors = model.transform(train.source), model.transform(test.source)
    logistic, _ = accuracies(*vectors, train.speakers, test.speakers)
    assert logistic >= 0.95
    mean = MeanSequence.fit(train.sequences).reconstruct(test.sequences)
    gain = explained_variance(test.sequences, model.reconstruct(test.source), model.scaling_) - explained_variance(
        test.sequences, mean, model.scaling_
    )
    assert gain >= 0.20
