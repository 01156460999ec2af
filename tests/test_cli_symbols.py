"""The command line on symbols: a vocabulary goes into the model, and text comes back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seqae import load
from seqae.cli import app

from .test_cli import seqae

TOKENS = ["--architecture", "tokens", "--latent-size", "6", "--hidden-size", "8", "--validation-fraction", "0"]
WORDS = ["anna", "bob", "nab", "ban", "oban"] * 4


def table(words: list[str]) -> pd.DataFrame:
    return pd.DataFrame(
        [(f"{word}{i}", letter) for i, word in enumerate(words) for letter in word], columns=["name", "letter"]
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("symbols")
    table(WORDS).to_csv(path / "names.csv", index=False)
    said = seqae(
        "fit", path / "names.csv", "--id", "name", *TOKENS, "--max-epochs", 150, "--learning-rate", 0.02,
        "-o", path / "m.seqae",
    )  # fmt: skip
    assert "4 (a, b, n, o)" in said
    return path


def test_words_are_learnt_and_written_as_text(folder: Path) -> None:
    table(["bob", "anna"]).to_csv(folder / "two.csv", index=False)  # no o before b here: other tokens of its own
    arguments = (folder / "m.seqae", folder / "two.csv", "--id", "name")
    seqae("reconstruct", *arguments, "-o", folder / "r.csv", "--errors", folder / "e.csv")
    pd.testing.assert_frame_equal(pd.read_csv(folder / "r.csv")[["name", "letter"]], table(["bob", "anna"]))
    assert pd.read_csv(folder / "e.csv")["error"].max() < 0.1
    seqae("embed", *arguments, "-o", folder / "z.csv")
    vectors = pd.read_csv(folder / "z.csv").filter(like="z")
    np.testing.assert_allclose(vectors, load(folder / "m.seqae").transform(["bob", "anna"]), rtol=1e-5)
    assert "symbols       4 (a, b, n, o)" in seqae("info", folder / "m.seqae")


def test_unlike_words_are_detected(folder: Path) -> None:
    table([*WORDS, "onxoo"]).to_csv(folder / "new.csv", index=False)
    seqae(
        "detect", folder / "new.csv", "--normal", folder / "names.csv", "--model", folder / "m.seqae", "--id", "name",
        "--window", "none", "--rows", "sequence", "-o", folder / "d.csv", "--save", folder / "d.seqae",
    )  # fmt: skip
    found = pd.read_csv(folder / "d.csv")
    assert found["score"].idxmax() == len(found) - 1  # x was never seen
    seqae(
        "detect",
        folder / "new.csv",
        "--model",
        folder / "d.seqae",
        "--id",
        "name",
        "--rows",
        "sequence",
        "-o",
        folder / "d2.csv",
    )
    pd.testing.assert_frame_equal(pd.read_csv(folder / "d2.csv"), found)


def test_lines_of_text(folder: Path) -> None:
    (folder / "log.txt").write_text("open read close\nopen close\n" * 5)
    seqae("fit", folder / "log.txt", *TOKENS, "--max-epochs", 1, "-o", folder / "log.seqae", "-q")
    assert load(folder / "log.seqae").vocabulary_ == ("close", "open", "read")
    (folder / "line.txt").write_text("open\n")
    seqae("embed", folder / "log.seqae", folder / "line.txt", "-o", folder / "line.csv")
    assert pd.read_csv(folder / "line.csv")["line"].tolist() == [1]
    seqae(
        "fit", folder / "log.txt", *TOKENS, "--max-epochs", 1, "-o", folder / "c.seqae", "-q", "--split", "characters"
    )
    assert " " in load(folder / "c.seqae").vocabulary_


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["embed", "m.seqae", "bad.csv", "--id", "name", "-o", "z.csv"], "'bob0', step 1 is 'x', which fit()"),
        (["fit", "names.csv", "--id", "name", "-o", "n.seqae"], "symbols are for architecture='tokens'"),
        (["fit", "names.csv", "--id", "name", "-o", "n.seqae", *TOKENS, "--loss", "mse"], "cross_entropy"),
        (["detect", "names.csv", "--normal", "names.csv", "--model", "m.seqae", "--id", "name", "-o", "d.csv",
          "--score", "nearest"], "is of vectors"),
    ],
)  # fmt: skip
def test_errors_are_one_line(arguments: list[str], message: str, folder: Path) -> None:
    pd.DataFrame({"name": ["bob0"] * 3, "letter": list("bxb")}).to_csv(folder / "bad.csv", index=False)
    placed = [str(folder / word) if "." in word else word for word in arguments]
    result = CliRunner().invoke(app, placed)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
