"""`seqae look`: what was understood of data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from seqae import read
from seqae.cli import app
from seqae.reading.look import look_at


def looked(*arguments: object, text: str | None = None) -> str:
    result = CliRunner(env={"COLUMNS": "100"}).invoke(app, ["look", *map(str, arguments)], input=text)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def test_statistics_are_those_of_pandas() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(300, 3)), columns=["a", "b", "c"])
    frame["id"] = np.repeat([5, 6, 7], [100, 150, 50])
    frame["t"] = np.concatenate([np.arange(n) * 2.0 for n in (100, 150, 50)])
    frame.loc[200:, "t"] += 10
    frame.loc[::7, "b"] = np.nan
    frame.loc[3, "a"], frame["c"] = 1000.0, 4.0
    seen = look_at(read(frame, id="id", time="t", missing="mask"))
    assert (seen.n_sequences, seen.n_steps, seen.shortest, seen.median, seen.longest) == (3, 300, 50, 100, 150)
    assert seen.ids == ("5", "6", "7")
    for channel in seen.channels:
        column = frame[channel.name]
        assert np.allclose([channel.low, channel.median, channel.high], [column.min(), column.median(), column.max()])
        assert channel.n_missing == column.isna().sum()
    assert [channel.n_outliers for channel in seen.channels] == [1, 0, 0]
    assert [channel.note for channel in seen.channels] == ["", "", "constant"]
    assert seen.times is not None
    assert (seen.times.usual, seen.times.n_longer) == ("2", 1)  # the third sequence begins with its own times
    assert [option for option, _ in seen.options] == ["--channels a,b", "--na VALUE"]


def test_the_screen(tmp_path: Path) -> None:
    rows = [f"{k}/03/2004;18.00.00;{'-200' if k % 9 == 5 else f'{k % 4},5'};1;" for k in range(10, 28)]
    (tmp_path / "air.csv").write_text("\n".join(["Date;Time;CO;flag;", *rows]))
    shown = looked(tmp_path / "air.csv", "--time", "Date,Time")
    assert "2004-03-10 18:00:00 to 2004-03-27 18:00:00, usually 1 d apart" in shown
    assert "CO       -200" in shown
    assert "--na -200" in " ".join(shown.split())
    assert "read with the day first" in shown
    assert "--channels CO" in shown


def test_columns_without_numbers_are_noted_and_passed_over(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("host,load,state\nweb,1.5,up\nweb,2.5,down\n")
    shown = " ".join(looked(tmp_path / "log.csv").split())
    assert "channels 1" in shown
    assert "note column 'host', row 0 is 'web', of type string; left out here" in shown
    assert "note column 'state', row 0 is 'up'" in shown
    (tmp_path / "text.csv").write_text("host\nweb\nweb\n")
    refused = CliRunner().invoke(app, ["look", str(tmp_path / "text.csv")])
    assert (refused.exit_code, "row 0 is 'web'" in refused.stderr) == (2, True)


@pytest.mark.parametrize("width", [46, 64, 100])
def test_the_table_of_channels_is_whole_at_any_width(tmp_path: Path, width: int) -> None:
    values = np.random.default_rng(0).normal(size=(60, 2)).round(3)
    values[0, 0], values[1, 1] = 900, np.nan
    frame = pd.DataFrame(values, columns=["a", "b"]).assign(c=1)
    frame.to_csv(tmp_path / "x.csv", index=False)
    shown = CliRunner(env={"COLUMNS": str(width)}).invoke(app, ["look", str(tmp_path / "x.csv")]).stdout
    rows = {words[0]: words for words in map(str.split, shown.partition("--")[0].splitlines()) if words}
    assert rows["channel"] == ["channel", "min", *(["median"] if width > 46 else []), "max", "missing", "far"]
    assert rows["a"][-2:] == ["900", "1"]
    assert rows["b"][-2:] == ["1.67", "%"]
    assert rows["c"][-1] == "constant"


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("x\n1\n2\n\n4\n", [], ["4 steps", "none; steps are taken as evenly spaced", "25 %", "--id COLUMN"]),
        ("on off\non\n", ["--symbols"], ["2, told apart by line: 1, 2", "1 to 2 steps", "symbols", "2 (off, on)"]),
    ],
)
def test_standard_input_is_looked_at(text: str, options: list[str], expected: list[str]) -> None:
    shown = looked("-", *options, text=text)
    for part in expected:
        assert part in shown
