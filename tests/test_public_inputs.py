"""Data as people have them, each of a kind that was refused or misread once, with the right reading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from seqae.detection.detector import AnomalyDetector
from seqae.errors import InvalidParameter, InvalidSequence, UnreadableFile
from seqae.reading import read

ZONED = {"t": ["2024-01-01T00:00:00+02:00", "2024-01-01T01:00:00+02:00"], "x": [1.0, 2.0]}
FIRST = np.array("2023-12-31T22:00", "M8[us]")
UNIVARIATE = "@problemName a\n@timeStamps false\n@univariate true\n@classLabel false\n@data\n"

FILES: dict[str, tuple[str, str, dict[str, Any], list[list[list[float]]], tuple[str, ...]]] = {
    "unnamed columns at the right": (
        "x.csv", "T,RH,,\n1,2,,\n3,4,,\n", {"channels": ["T", "RH"]}, [[[1, 2], [3, 4]]], ("T", "RH")
    ),
    "equal names that are not asked for": (
        "x.csv", "x,x,y\n1,2,3\n3,4,5\n", {"channels": ["y"]}, [[[3], [5]]], ("y",)
    ),
    "comments anywhere in .ts": (
        "x.ts", f"% a\n{UNIVARIATE}# b\n1,2,3\n% c\n3,4\n", {}, [[[1], [2], [3]], [[3], [4]]], ("channel_0",)
    ),
    "delimiters within quotes": (
        "x.csv", '"power; kW; avg",t\n1,2\n3,5\n', {}, [[[1, 2], [3, 5]]], ("power; kW; avg", "t")
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_files_are_read(name: str, tmp_path: Path) -> None:
    file, text, arguments, values, names = FILES[name]
    (tmp_path / file).write_text(text)
    source = read(tmp_path / file, **arguments)
    assert [sequence.tolist() for sequence in source.ragged] == values
    assert source.channel_names == names


@pytest.mark.parametrize("table", [pd.DataFrame, pl.DataFrame, pa.table])
def test_text_times_with_a_zone_are_read_from_any_table(table: Callable[[Any], Any]) -> None:
    source = read(table(ZONED), time="t")
    assert source.times is not None
    assert source.times[0] == FIRST


def test_text_times_with_a_zone_are_read_from_json_lines(tmp_path: Path) -> None:
    pd.DataFrame(ZONED).to_json(tmp_path / "x.jsonl", orient="records", lines=True)
    source = read(tmp_path / "x.jsonl", time="t")
    assert source.times is not None
    assert source.times[0] == FIRST


def test_steps_that_come_late_now_and_then_are_no_gaps() -> None:
    t = np.cumsum(np.where(np.random.default_rng(0).random(600) < 0.06, 2, 1))
    source = read(pd.DataFrame({"t": t, "x": np.sin(t / 5)}), time="t")
    detector = AnomalyDetector(window=100, baseline="pca", score="error", random_state=0).fit(source)
    assert detector.window_ == 100  # refused where each late step is a gap
    assert len(detector.held_out_scores_) > 100


CHANNELS_FIRST: dict[str, Any] = {
    "a list": [np.arange(6.0).reshape(2, 3), np.arange(8.0).reshape(2, 4)],
    "a list of tensors": [torch.arange(6.0).reshape(2, 3), torch.arange(8.0).reshape(2, 4)],
    "nested lists": [[[0, 1, 2], [3, 4, 5]], [[0, 1, 2, 3], [4, 5, 6, 7]]],
}


@pytest.mark.parametrize("name", CHANNELS_FIRST)
def test_channels_may_come_first(name: str) -> None:
    source = read(CHANNELS_FIRST[name], channels_first=True)
    wanted = [np.arange(6).reshape(2, 3).T.tolist(), np.arange(8).reshape(2, 4).T.tolist()]
    assert [sequence.tolist() for sequence in source.ragged] == wanted


def test_channels_may_come_first_in_one_array() -> None:
    X = np.random.default_rng(0).normal(size=(4, 3, 50))
    source = read(X, channels_first=True)
    np.testing.assert_array_equal(np.stack(list(source.ragged)), X.transpose(0, 2, 1))
    for wrong in (np.ones((3, 2)), [np.ones(3)], pd.DataFrame({"x": [1.0]}), []):
        with pytest.raises(InvalidParameter, match="channels_first is of arrays"):
            read(wrong, channels_first=True)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros(3, [("a", "f4"), ("b", "f4")]), InvalidSequence, "records with the fields 'a', 'b'; pass a data"),
        ("https:/example.com/x.csv", UnreadableFile, "https:/example.com/x.csv: cannot be fetched"),
    ],
)
def test_what_cannot_be_read_is_named(X: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read(X)
