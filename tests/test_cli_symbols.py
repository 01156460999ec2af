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


LINES = "open read read close\nopen write close\nopen read write close\n" * 12


def test_lines_that_are_unlike_normal_ones_are_detected_without_a_model(tmp_path: Path) -> None:
    (tmp_path / "normal.txt").write_text(LINES)
    (tmp_path / "new.txt").write_text("open read close\n\nopen exec exec close\nopen write write close\n")
    learning = (tmp_path / "new.txt", "--normal", tmp_path / "normal.txt", "--save", tmp_path / "d.seqae")
    said = seqae("detect", *learning, "--rows", "sequence", "-o", tmp_path / "found.csv")
    assert "in 3 sequences" in said
    found = pd.read_csv(tmp_path / "found.csv")
    assert found["line"].tolist() == [1, 3, 4]
    assert found["is_anomaly"].tolist()[1]  # exec was never seen
    assert found["score"].idxmax() == 1
    detector = load(tmp_path / "d.seqae")
    assert detector.vocabulary_ == detector.autoencoder_.vocabulary_ == ("close", "open", "read", "write")
    assert detector.window_ is None
    kept = (tmp_path / "new.txt", "--model", tmp_path / "d.seqae", "--rows", "sequence")
    seqae("detect", *kept, "-o", tmp_path / "again.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "again.csv"), found)
    (tmp_path / "one.txt").write_text("exec\n")  # other tokens of its own: text is held against the vocabulary
    seqae("detect", tmp_path / "one.txt", *kept[1:], "-o", tmp_path / "one.csv")
    assert pd.read_csv(tmp_path / "one.csv")["is_anomaly"].all()


def test_a_column_of_symbols_is_detected_in_without_a_model(folder: Path) -> None:
    table([*WORDS[:5], "aaaa"]).to_csv(folder / "some.csv", index=False)
    arguments = (folder / "some.csv", "--normal", folder / "names.csv", "--id", "name", "--symbols", "--rows", "step")
    seqae("detect", *arguments, "--window", 3, "-o", folder / "steps.csv", "--save", folder / "column.seqae")
    assert load(folder / "column.seqae").vocabulary_ == tuple("abno")
    assert load(folder / "column.seqae").window_ == 3
    assert np.isfinite(pd.read_csv(folder / "steps.csv")["score"]).all()


def test_one_long_line_is_judged_through_windows(tmp_path: Path) -> None:
    (tmp_path / "normal.txt").write_text("abc" * 100)
    (tmp_path / "new.txt").write_text("abc" * 20 + "cba" + "abc" * 20)
    seqae(
        "detect", tmp_path / "new.txt", "--normal", tmp_path / "normal.txt", "-o", tmp_path / "found.csv",
        "--rows", "step",
    )  # fmt: skip
    found = pd.read_csv(tmp_path / "found.csv")
    assert 55 <= found["score"].idxmax() <= 75


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["embed", "m.seqae", "bad.csv", "--id", "name", "-o", "z.csv"], "'bob0', step 1 is 'x', which fit()"),
        (["fit", "names.csv", "--id", "name", "-o", "n.seqae"], "for --architecture tokens or detect --symbols"),
        (["fit", "names.csv", "--id", "name", "-o", "n.seqae", *TOKENS, "--loss", "mse"], "cross_entropy"),
        (["detect", "copy.csv", "--normal", "names.csv", "--model", "m.seqae", "--id", "name", "-o", "d.csv",
          "--score", "nearest"], "is of vectors"),
        (["detect", "copy.csv", "--normal", "names.csv", "--id", "name", "-o", "d.csv"],
          "for --architecture tokens or --symbols"),
        (["detect", "copy.csv", "--normal", "names.csv", "--id", "name", "-o", "d.csv", "--symbols", "--score",
          "linear"], "is of vectors"),
        (["detect", "copy.csv", "--normal", "names.csv", "--model", "m.seqae", "--id", "name", "-o", "d.csv",
          "--symbols"], "for learning without --model"),
        (["detect", "new.txt", "--normal", "log.txt", "--id", "name", "-o", "d.csv"], "one sequence per line"),
    ],
)  # fmt: skip
def test_errors_are_one_line(arguments: list[str], message: str, folder: Path) -> None:
    pd.DataFrame({"name": ["bob0"] * 3, "letter": list("bxb")}).to_csv(folder / "bad.csv", index=False)
    (folder / "copy.csv").write_bytes((folder / "names.csv").read_bytes())
    (folder / "log.txt").write_text("open read close\n")
    placed = [str(folder / word) if "." in word else word for word in arguments]
    result = CliRunner().invoke(app, placed)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_unknown_symbols_are_a_token_where_asked(folder: Path) -> None:
    (folder / "seen.txt").write_text("open read close\nopen close\nopen stat close\n" + "read open\n")
    (folder / "later.txt").write_text("open fork close\nopen mmap close\n")
    seqae("fit", folder / "seen.txt", *TOKENS, "--max-epochs", 1, "--unknown", "token", "-o", folder / "u.seqae", "-q")
    assert load(folder / "u.seqae").vocabulary_ == ("close", "open", "read", "<unknown>")
    seqae("embed", folder / "u.seqae", folder / "later.txt", "-o", folder / "u.csv")
    vectors = pd.read_csv(folder / "u.csv").filter(like="z").to_numpy()
    np.testing.assert_array_equal(vectors[0], vectors[1])
    plain = CliRunner().invoke(
        app,
        [
            *("embed", str(folder / "m.seqae"), str(folder / "names.csv"), "--id", "name"),
            *("--unknown", "token", "-o", str(folder / "no.csv")),
        ],
    )
    assert plain.exit_code == 2
    assert (
        "the model has no token for symbols that it never saw; fit it on text that is read with --unknown token"
        in plain.stderr
    )
