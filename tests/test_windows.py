"""Windows of sources in Python and on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from seqae import load, read
from seqae.cli import app
from seqae.errors import DataWarning, InvalidSequence


def frame(*lengths: int) -> pd.DataFrame:
    parts = [
        pd.DataFrame({"id": f"s{i}", "t": np.arange(n) * 2, "x": np.sin(np.arange(n) / 5 + i)})
        for i, n in enumerate(lengths)
    ]
    return pd.concat(parts, ignore_index=True)


@given(st.lists(st.integers(4, 30), min_size=1, max_size=4), st.integers(1, 4), st.integers(1, 6))
def test_windows_keep_ids_and_times(lengths: list[int], length: int, stride: int) -> None:
    table = frame(*lengths)
    source = read(table, id="id", time="t").windows(length, stride)
    expected = []
    for name, part in table.groupby("id", sort=False):
        starts = [*range(0, len(part) - length, stride), len(part) - length]
        expected += [
            (name, part["t"].iloc[k], part["t"].iloc[k + length - 1], part["x"].iloc[k : k + length]) for k in starts
        ]
    assert source.ids.tolist() == [name for name, *_ in expected]
    assert source.times is not None
    for i, (_, first, last, values) in enumerate(expected):
        start = source.ragged.starts[i]
        assert source.times[[start, start + length - 1]].tolist() == [first, last]
        assert np.allclose(source[i][:, 0], values)


def test_sequences_too_short_for_a_window() -> None:
    source = read(frame(9, 3, 2), id="id", time="t")
    with pytest.warns(DataWarning, match="2 of 3 sequences are shorter than window=4 .* id s1, of 3 steps"):
        assert set(source.windows(4).ids) == {"s0"}
    with pytest.raises(InvalidSequence, match="no sequence has 10 steps; the longest has 9"):
        source.windows(10)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=5), st.floats(0, 0.9), st.integers(1, 9))
def test_a_late_part_shares_no_step_with_the_first(lengths: list[int], fraction: float, least: int) -> None:
    source = read(frame(*lengths), id="id", time="t")
    first, late = source.split_late(fraction, least)
    assert first.ids.tolist() == source.ids.tolist()
    rows = [first.ragged.step_indices(), *([] if late is None else [late.ragged.step_indices()])]
    assert sorted(np.concatenate(rows)) == list(range(sum(lengths)))
    if late is not None:
        assert late.ragged.lengths.min() >= least
        assert first.ragged.lengths[np.isin(first.ids, late.ids)].min() >= least


def test_windows_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    frame(80, 50).to_csv("x.csv", index=False)

    def run(*arguments: str) -> None:
        result = CliRunner().invoke(app, [*arguments, "--id", "id"])
        assert result.exit_code == 0, (result.output, result.exception)

    run("fit", "x.csv", "--time", "t", "--window", "20", "--stride", "5", "--latent-size", "2", "-o", "m.seqae", "-q")
    run("embed", "m.seqae", "x.csv", "--time", "t", "--window", "20", "--stride", "10", "-o", "z.csv")
    run(
        "embed", "m.seqae", "x.csv", "--channels", "x", "--time", "", "--window", "20", "--stride", "10", "-o", "z2.csv"
    )
    found, by_number = pd.read_csv("z.csv"), pd.read_csv("z2.csv")
    assert found["id"].tolist() == ["s0"] * 7 + ["s1"] * 4
    assert found["first_time"].tolist() == [2 * k for k in (*range(0, 61, 10), *range(0, 31, 10))]
    assert (found["last_time"] - found["first_time"] == 38).all()
    assert (2 * by_number["first_step"]).tolist() == found["first_time"].tolist()
    source = read("x.csv", id="id", time="t").windows(20, 10)
    assert np.allclose(load("m.seqae").transform(source), found[["z0", "z1"]])
    run("reconstruct", "m.seqae", "x.csv", "--window", "20", "--stride", "10", "-o", "r.csv")
    again = pd.read_csv("r.csv")
    assert list(again.columns) == ["id", "window", "t", "x"]
    assert again["window"].tolist() == np.repeat(np.arange(11), 20).tolist()
    assert again["t"].tolist() == source.times[source.ragged.step_indices()].tolist()
    assert np.allclose(again["x"], load("m.seqae").reconstruct(source).values[:, 0], atol=1e-5)
    result = CliRunner().invoke(app, ["embed", "m.seqae", "x.csv", "--id", "id", "--stride", "3", "-o", "z.csv"])
    assert (result.exit_code, "add --window N" in result.output) == (2, True)
