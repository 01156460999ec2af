"""New data are read as those that a model was fitted on, unless options say otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seqae.cli import app
from seqae.storage.model_file import read_model_file, write_model_file

from .test_cli import COLUMNS, TINY, make_walks, seqae


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """walks.csv, and walks.seqae that was fitted on it with --id and --time."""
    folder = tmp_path_factory.mktemp("layout")
    make_walks().to_csv(folder / "walks.csv", index=False)
    seqae("fit", folder / "walks.csv", *COLUMNS, "--na", "-999", *TINY, "-o", folder / "walks.seqae")
    return folder


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 2, result.output
    return result.stderr


@pytest.mark.parametrize("command", ["embed", "reconstruct", "impute"])
def test_commands_follow_the_model(folder: Path, tmp_path: Path, command: str) -> None:
    for name, options in (("said.csv", COLUMNS), ("known.csv", [])):
        seqae(command, folder / "walks.seqae", folder / "walks.csv", *options, "-o", tmp_path / name)
    assert (tmp_path / "said.csv").read_bytes() == (tmp_path / "known.csv").read_bytes()
    assert "person" in pd.read_csv(tmp_path / "known.csv").columns


def test_explicit_options_win_and_none_can_be_said(folder: Path, tmp_path: Path) -> None:
    make_walks().rename(columns={"person": "who"}).to_csv(tmp_path / "who.csv", index=False)
    model, data, out = folder / "walks.seqae", tmp_path / "who.csv", tmp_path / "z.csv"
    assert "there is no column 'person'" in refused("embed", model, data, "-o", out)
    seqae("embed", model, data, "--id", "who", "-o", out)
    assert next(iter(pd.read_csv(out))) == "who"
    make_walks()[["x", "y"]].to_csv(tmp_path / "one.csv", index=False)
    assert "there is no column 'person'" in refused("embed", model, tmp_path / "one.csv", "-o", out)
    assert "there is no column 'second'" in refused("embed", model, tmp_path / "one.csv", "--id", "", "-o", out)
    seqae("embed", model, tmp_path / "one.csv", "--id", "", "--time", "", "-o", out)
    assert len(pd.read_csv(out)) == 1


def test_files_without_columns_follow_nothing(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((3, 5, 2)))
    seqae("embed", folder / "walks.seqae", tmp_path / "x.npy", "-o", tmp_path / "z.csv")
    assert len(pd.read_csv(tmp_path / "z.csv")) == 3


def test_the_layout_is_shown_and_old_or_odd_files_are_read(folder: Path, tmp_path: Path) -> None:
    assert "--id person --time second --na -999" in seqae("info", folder / "walks.seqae")
    file = read_model_file(folder / "walks.seqae")
    assert file.layout == {"id": "person", "time": "second", "na": "-999"}
    odd = {"id": "person", "time": "second", "missing": "perhaps", "paths": "elsewhere.csv"}
    for layout in ({}, odd):
        write_model_file(tmp_path / "m.seqae", type(file)(file.kind, file.config, file.tensors, layout=layout))
        options = [] if layout else COLUMNS
        seqae("embed", tmp_path / "m.seqae", folder / "walks.csv", *options, "-o", tmp_path / "z.csv")
        assert len(pd.read_csv(tmp_path / "z.csv")) == 12


def test_how_missing_values_are_treated_is_followed(folder: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "strict.seqae", tmp_path / "z.csv"
    seqae("fit", folder / "walks.csv", *COLUMNS, "--missing", "error", *TINY, "-o", model)
    make_walks().assign(x=lambda walks: walks["x"].where(walks.index != 4)).to_csv(tmp_path / "hole.csv", index=False)
    assert "row 4" in refused("embed", model, tmp_path / "hole.csv", "-o", out)
    seqae("embed", model, tmp_path / "hole.csv", "--missing", "mask", "-o", out)


def test_a_saved_detector_remembers_too(tmp_path: Path) -> None:
    times = np.arange(600)
    for name in ("normal", "today"):
        pd.DataFrame({"minute": times, "x": np.sin(times / 5)}).to_csv(tmp_path / f"{name}.csv", index=False)
    learn = [
        "--normal",
        tmp_path / "normal.csv",
        "--time",
        "minute",
        "--baseline",
        "pca",
        "--save",
        tmp_path / "d.seqae",
    ]
    for name, options in (("a.csv", learn), ("b.csv", ["--model", tmp_path / "d.seqae"])):
        seqae("detect", tmp_path / "today.csv", *options, "-o", tmp_path / name, "--rows", "step")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
