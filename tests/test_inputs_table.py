"""What could be taken for something else: each input, what comes of it, and the sentence that says so."""

from __future__ import annotations

import datetime
import sys
from collections import namedtuple
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence

from seqae import AnomalyDetector
from seqae.errors import DataWarning, InvalidSequence, SeqaeError
from seqae.reading import read, take
from seqae.reading.latent import take_latent

RAMP = np.arange(12.0).reshape(6, 2) % 5
Named = namedtuple("Named", ["values", "labels"])
ENGINES = pd.DataFrame({"engine": np.repeat([1, 2, 3], 5), "cycle": np.tile(np.arange(5), 3), "x": RAMP[:5].sum()})
MULTI = pd.DataFrame(
    {"x": [1.0, 2, 3, 4]}, index=pd.MultiIndex.from_product([["a", "b"], [0, 1]], names=["id", "step"])
)
CHANNELS_FIRST = np.random.default_rng(0).normal(size=(4, 3, 50))
RECORDS = np.zeros(3, [("a", "f4"), ("b", "f4")])

# name: what is read, the arguments, part of the error
REFUSED: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "a named tuple": (lambda: Named([RAMP], [1]), {}, "X is a Named, a tuple of named parts"),
    "a dictionary": (lambda: {"a": RAMP}, {}, r"X is a dict; pass list\(X.values\(\)\) if each value is a sequence"),
    "Python objects in polars": (
        lambda: pl.DataFrame({"id": pl.Series(["a", "a", "b"], dtype=pl.Object), "x": [1.0, 2, 3]}),
        {"id": "id"},
        "column 'id' is of type Object; cast it",
    ),
    "an index of two levels": (lambda: MULTI, {}, r"an index of 2 levels, 'id', 'step'.* pass id='id'"),
    "an index without a name": (
        lambda: pd.DataFrame({"Unnamed: 0": [0, 1], "x": [1.0, 2]}),
        {},
        r"has no name .*index",
    ),
    "records": (lambda: RECORDS, {}, "records with the fields 'a', 'b'; pass a data frame"),
    "a list of records": (lambda: [RECORDS], {}, "records with the fields"),
    "structs as times": (
        lambda: pa.table({"t": pa.array([{"a": 1}, {"a": 2}]), "x": [1.0, 2]}),
        {"time": "t"},
        "column 't' holds struct.*times must be numbers, dates",
    ),
    "truth values as times": (
        lambda: pa.table({"t": [False, True], "x": [1.0, 2]}),
        {"time": "t"},
        "column 't' holds bool",
    ),
    "channels first, of any length": (
        lambda: [np.ones((3, 50)), np.ones((3, 60))],
        {},
        r"sequence 1 must have 50 channels as sequence 0 has, got 60",
    ),
}

# name: the file's name, its content, the arguments, part of the error
REFUSED_FILES: dict[str, tuple[str, str | bytes, dict[str, Any], str]] = {
    "one column without a header": ("x.csv", "3.5\n4\n5\n6\n", {}, "line 1 must name the columns, got the numbers 3.5"),
    "counted values without a header": ("x.csv", "1,2,3\n4,5,6\n", {}, "got the numbers 1, 2, 3"),
    "one counted value": ("x.csv", "0\n1\n2\n", {}, "got the numbers 0"),
    "an index of pandas": ("x.csv", ",x\n0,1\n1,2\n", {}, "a column has no name, as an index"),
    "an index of pandas, read and written": ("x.csv", "Unnamed: 0,x\n0,1\n", {}, "a column has no name of its own"),
    "an endless header": ("x.csv", f'"{"a" * 200_000}",x\n1,2\n', {}, "line 1 must name the columns; mend it"),
    "a short row after a long field": ("x.csv", f'a,b\n"{"a" * 200_000}",2\n1\n', {}, "line 2 cannot be read"),
    "digits with underscores": ("x.csv", "x,y\n1,1_000\n2,3\n", {}, r"column 'y', row 0 is '1_000', of type string"),
    "another way to write NaN": (
        "x.csv",
        "x,y\n1,2\n2,NAN\n",
        {"missing": "error"},
        r"channel 'y' \(row 1\) is missing",
    ),
    "text in an archive": ("x.npz", b"PK\x03\x04rubbish", {}, "cannot be read, it may be damaged"),
    "bad indentation in an array": ("x.npy", b"\x93NUMPY\x01\x00\x10\x00  {\n  'descr':\n \x00\x00", {}, "x.npy: "),
    "a pattern": ("*.csv", "", {}, "no file is named so; check the pattern"),
    "an address": (
        "nowhere://example.com/x.csv",
        "",
        {},
        "nowhere://example.com/x.csv: cannot be fetched .*download it",
    ),
}

# name: what is read, the arguments, what comes of it
TAKEN: dict[str, tuple[Callable[[], Any], dict[str, Any], list[Any]]] = {
    "packed sequences": (
        lambda: pack_sequence([torch.arange(2.0)[:, None], torch.arange(3.0)[:, None]], enforce_sorted=False),
        {},
        [[[0], [1]], [[0], [1], [2]]],
    ),
    "packed and padded": (
        lambda: pack_padded_sequence(torch.ones(2, 3, 1), torch.tensor([3, 1]), batch_first=True),
        {},
        [[[1], [1], [1]], [[1]]],
    ),
    "an index of two levels, one of them the id": (
        lambda: MULTI,
        {"id": "id", "channels": ["x"]},
        [[[1], [2]], [[3], [4]]],
    ),
    "decimals as times": (
        lambda: pa.table({"t": [Decimal("1.5"), Decimal("2.5")], "x": [1.0, 2]}),
        {"time": "t"},
        [[[1], [2]]],
    ),
    "names of columns that nobody asked for": (
        lambda: pa.table([[1.0], [2.0], [3.0]], names=["x", "x", "y"]),
        {"channels": ["y"]},
        [[[3]]],
    ),
}

# name: the file's name, its content, the arguments, what comes of it
TAKEN_FILES: dict[str, tuple[str, str, dict[str, Any], list[Any]]] = {
    "line ends of old Macs": ("x.csv", "x,y\r1,2\r3,4\r", {}, [[[1, 2], [3, 4]]]),
    "columns that pandas numbered": ("x.csv", "0,1\n5,6\n7,9\n", {}, [[[5, 6], [7, 9]]]),
    "numbered steps": ("x.csv", "1,2,3\n5,6,\n7,9,1\n", {"wide": True}, [[[5], [6]], [[7], [9], [1]]]),
    "delimiters in quotes": ("x.csv", '"power; kW; avg",t\n1,2\n', {}, [[[1, 2]]]),
    "times of day": ("x.csv", "t,x\n07:30:00,1\n07:31:00,2\n", {"time": "t"}, [[[1], [2]]]),
    "comments in a .ts file": ("x.ts", "% a\n# b\n@data\n# c\n1,2\n%d\n", {}, [[[1], [2]]]),
    "empty names of columns that nobody asked for": ("x.csv", "T,RH,,\n1,2,,\n", {"channels": ["T"]}, [[[1]]]),
}

# name: what is read, the arguments, the warning
WARNED: dict[str, tuple[Callable[[], Any], dict[str, Any], str]] = {
    "ids beside counted times": (lambda: ENGINES, {}, "column 'engine' looks like the id of several sequences"),
    "ids by their name": (
        lambda: pd.DataFrame({"patient_id": np.repeat([7, 3], 5), "x": RAMP[:5].sum(axis=1).tolist() * 2}),
        {},
        "column 'patient_id' looks like the id",
    ),
    "a counter": (
        lambda: pd.DataFrame({"n": np.arange(9), "x": [1.0, 3, 2] * 3}),
        {},
        "column 'n' rises evenly like a time",
    ),
    "Unix seconds in a table": (
        lambda: pd.DataFrame({"a": 1.7e9 + np.arange(9.0) ** 2, "x": [1.0, 3, 2] * 3}),
        {},
        "column 'a' rises like a time in seconds since 1970",
    ),
    "Unix milliseconds in an array": (
        lambda: [np.stack([1.7e12 + np.arange(9.0) ** 2, [1, 3, 2] * 3], axis=1)],
        {},
        "channel 0 rises like a time in milliseconds since 1970",
    ),
    "a time by its name": (
        lambda: pd.DataFrame({"Time": np.arange(9.0) ** 2, "x": [1.0, 3, 2] * 3}),
        {},
        "column 'Time' is named and rises like a time",
    ),
    "channels first": (lambda: CHANNELS_FIRST, {}, "was read as 3 steps of 50 channels; .*channels_first=True"),
    "-999 among temperatures": (
        lambda: [np.array([20.5, 21, -999, 22, -999, 23])],
        {},
        "channel 'channel_0' holds -999 2 times, far from its other values; .*--na -999",
    ),
    "-200 among counts": (
        lambda: pd.DataFrame({"x": [1.0, 2] * 4, "NOx": [2.0, 1479, -200, 300, -200, 7, 50, 3]}),
        {},
        "channel 'NOx' holds -200 2 times",
    ),
    "float32 that cannot hold its digits": (
        lambda: [(1.7e9 + 30 * np.random.default_rng(0).normal(size=50)).astype(np.float32)],
        {},
        "channel 'channel_0' varies by .* around 1.7e.09, where its type holds only steps of 203; pass it as float64",
    ),
}

QUIET: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "ids and times that are named": (lambda: ENGINES, {"id": "engine", "time": "cycle"}),
    "a state that comes back": (lambda: pd.DataFrame({"state": [0, 0, 1, 1, 0, 0, 1, 1, 2, 2], "x": [1.0, 2] * 5}), {}),
    "values around zero": (lambda: [np.random.default_rng(0).normal(size=(50, 3)) * 300], {}),
    "-1 and 1": (lambda: [np.array([-1.0, 1] * 8)], {}),
    "a smooth rise": (lambda: pd.DataFrame({"x": np.linspace(0, 1, 20), "y": [1.0, 2] * 10}), {}),
    "sequences of a few steps": (lambda: np.ones((4, 7, 12)), {}),
    "prices that reach 999": (lambda: [np.array([950.0, 970, 999, 990, 940])], {}),
}


def as_lists(source: Any) -> list[Any]:
    return [np.asarray(sequence).tolist() for sequence in source]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, arguments, message = REFUSED[name]
    for run in (lambda X: read(X, **arguments), take) if not arguments else (lambda X: read(X, **arguments),):
        with pytest.raises(InvalidSequence, match=message) as caught:
            run(make())
        assert "\n" not in str(caught.value)


def written(folder: Path, name: str, content: str | bytes) -> str | Path:
    if not content:
        return name if ":" in name else folder / name
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("name", REFUSED_FILES)
def test_refused_files(tmp_path: Path, name: str) -> None:
    file, content, arguments, message = REFUSED_FILES[name]
    with pytest.raises(SeqaeError, match=message) as caught:
        read(written(tmp_path, file, content), **arguments)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name: str) -> None:
    make, arguments, expected = TAKEN[name]
    assert as_lists(read(make(), **arguments)) == expected


@pytest.mark.parametrize("name", TAKEN_FILES)
def test_taken_files(tmp_path: Path, name: str) -> None:
    file, content, arguments, expected = TAKEN_FILES[name]
    assert as_lists(read(written(tmp_path, file, content), **arguments)) == expected


@pytest.mark.parametrize("name", WARNED)
def test_warned(name: str) -> None:
    make, arguments, message = WARNED[name]
    for run in (lambda X: read(X, **arguments), take):
        with pytest.warns(DataWarning, match=message):
            run(make())


@pytest.mark.parametrize("name", QUIET)
def test_quiet(name: str) -> None:
    make, arguments = QUIET[name]
    assert len(read(make(), **arguments))


@pytest.mark.parametrize(
    "texts", [["2026-01-01T00:00:00+02:00", "2026-01-01T00:00:00+01:00"], ["2026-01-01", "2026-01-02"]]
)
def test_text_times_are_read_alike_from_everywhere(tmp_path: Path, texts: list[str]) -> None:
    frame = pd.DataFrame({"t": texts, "x": [1.0, 2.0]})
    frame.to_csv(tmp_path / "x.csv", index=False)
    frame.to_json(tmp_path / "x.jsonl", orient="records", lines=True)
    frame.to_parquet(tmp_path / "x.parquet")
    sources = [read(X, time="t") for X in (frame, pl.from_pandas(frame), *sorted(tmp_path.iterdir()))]
    expected = [datetime.datetime.fromisoformat(text) for text in texts]
    for source in sources:
        found = source.times.astype("M8[s]").astype(datetime.datetime)
        assert [time.replace(tzinfo=datetime.UTC) for time in found] == [
            time.astimezone(datetime.UTC) if time.tzinfo else time.replace(tzinfo=datetime.UTC) for time in expected
        ]


@pytest.mark.parametrize("symbols", [None, "auto"])
def test_paths_in_a_list_are_files(tmp_path: Path, symbols: Any) -> None:
    tables = [pa.table({"id": ["a", "a"], "x": [1, 2]}), pa.table({"x": [3, 4, 5], "id": ["b", "c", "c"]})]
    paths = [tmp_path / f"part-{k}.parquet" for k in range(2)]
    for table, path in zip(tables, paths, strict=True):
        pq.write_table(table, path)
    for given in (paths, [str(path) for path in paths], tuple(paths)):
        source = read(given, id="id", symbols=symbols)
        assert source.ids.tolist() == ["a", "b", "c"]
        expected = [[1, 2], [3], [4, 5]]
        if symbols:
            assert [[int(source.vocabulary[token]) for token in sequence] for sequence in source] == expected
        else:
            assert as_lists(source) == [[[x] for x in sequence] for sequence in expected]
    with pytest.raises(InvalidSequence, match=r"id 'a' stands in .*part-0.* and in"):
        read([*paths, tmp_path / "part-0.parquet", f"{tmp_path}/./part-0.parquet"], id="id")
    pq.write_table(tables[0].rename_columns(["id", "y"]), paths[1])
    if not symbols:
        with pytest.raises(
            InvalidSequence, match=r"part-1.parquet: there is no channel 'x', which .*part-0.parquet has"
        ):
            read(paths, id="id")


def test_files_of_one_sequence_each_are_told_by_their_names(tmp_path: Path) -> None:
    for k in range(2):
        (tmp_path / f"{k}.csv").write_text(f"t,x\n1,{k}\n2,5\n")
    source = read(sorted(tmp_path.iterdir()), time="t", missing="mask")
    assert source.id_name == "file"
    assert [Path(name).name for name in source.ids] == ["0.csv", "1.csv"]
    assert source.times.tolist() == [1, 2, 1, 2]


def test_a_token_far_beyond_the_others_is_refused_before_any_memory_is_taken() -> None:
    with pytest.raises(InvalidSequence, match=r"sequence 1 holds token 2000000000, but there are only 3 .* renumber"):
        take([np.array([1, 2]), np.array([2_000_000_000])], takes_symbols=True)
    assert take([np.arange(70_000)], takes_symbols=True).ragged.n_steps == 70_000


@pytest.mark.parametrize(("value", "message"), [(1e300, "must be at most 1e.18 in size"), (np.inf, "must be finite")])
def test_vectors_have_a_range(value: float, message: str) -> None:
    with pytest.raises(InvalidSequence, match=f"vector 1, value 0 .* {message}"):
        take_latent([[0.0, 1.0], [value, 0.0]], 2)


@pytest.mark.parametrize("kind", ["table", "wide", "list", "csv", "jsonl"])
def test_work_grows_with_the_columns_not_with_their_square(tmp_path: Path, kind: str) -> None:
    def calls(n_columns: int) -> int:
        frame = pd.DataFrame({f"c{k}": [1.0, 2.0, 4.0] for k in range(n_columns)})
        path = tmp_path / f"{n_columns}.{kind}"
        if kind in ("csv", "jsonl"):
            frame.to_csv(path, index=False) if kind == "csv" else frame.to_json(path, orient="records", lines=True)
        X = {"table": pa.Table.from_pandas(frame), "wide": frame, "list": [frame, frame]}.get(kind, path)
        count = 0

        def hook(*_: object) -> None:
            nonlocal count
            count += 1

        read(X, wide=kind == "wide")
        sys.setprofile(hook)
        try:
            read(X, wide=kind == "wide")
        finally:
            sys.setprofile(None)
        return count

    assert calls(400) <= 2.2 * calls(200)


def test_work_grows_with_the_files_not_with_their_square(tmp_path: Path) -> None:
    paths = [tmp_path / f"{k}.csv" for k in range(60)]
    for path in paths:
        path.write_text("x,y\n1,2\n3,4\n")

    def calls(n_files: int) -> int:
        count = 0

        def hook(*_: object) -> None:
            nonlocal count
            count += 1

        sys.setprofile(hook)
        try:
            read(paths[:n_files])
        finally:
            sys.setprofile(None)
        return count

    calls(2)
    assert calls(60) <= 2.1 * calls(30)


def test_steps_that_a_log_drops_are_no_gaps() -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(np.where(rng.random(3000) < 0.06, 2, 1)).astype("M8[s]")
    frame = pd.DataFrame({"t": times, "x": np.sin(np.arange(3000) / 5)})
    detector = AnomalyDetector(window=100, baseline="pca").fit(read(frame, time="t"))
    found = detector.detect(read(frame[:1000], time="t"))
    assert found.times is not None
    assert np.array_equal(found.times, times[:1000])
