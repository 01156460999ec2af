"""Data wherever it lies and however it is packed: many files, folders, patterns, pipes, compression, other programs."""

from __future__ import annotations

import bz2
import contextlib
import functools
import gzip
import http.server
import io
import json
import lzma
import os
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import openpyxl
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.io
import torch
from pyarrow import feather, orc
from typer.testing import CliRunner

from seqae import read
from seqae.cli import app
from seqae.errors import DataWarning, InvalidParameter, InvalidSequence, MissingExtra, SeqaeError, UnreadableFile

TEXT = "id,x,y\na,1,2\na,3,4\nb,5,6\n"
IN_ALL = [[[1, 2], [3, 4]], [[5, 6]]]
TABLE = pa.table({"id": ["a", "a", "b"], "x": [1.0, 3, 5], "y": [2.0, 4, 6]})


def as_lists(source: Any) -> list[Any]:
    return [np.asarray(sequence).tolist() for sequence in source]


def zipped(**members: str) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, text in members.items():
            archive.writestr(name.replace("_", "."), text)
    return sink.getvalue()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": lambda data: pa.compress(data, codec="zstd", asbytes=True),
    "zip": lambda data: zipped(x_csv=data.decode()),
}


@pytest.mark.parametrize("ending", PACKED)
def test_compressed_files_are_read_as_what_is_in_them(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x.csv.{ending}"
    path.write_bytes(PACKED[ending](TEXT.encode()))
    source = read(path, id="id")
    assert (as_lists(source), source.ids.tolist()) == (IN_ALL, ["a", "b"])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UnreadableFile, match=rf"{path}: (cannot be read|has no known|is )"):
        read(path, id="id")


def test_a_binary_file_may_be_compressed(tmp_path: Path) -> None:
    sink = io.BytesIO()
    np.save(sink, np.arange(12.0).reshape(2, 3, 2))
    (tmp_path / "x.npy.gz").write_bytes(gzip.compress(sink.getvalue(), mtime=0))
    assert as_lists(read(tmp_path / "x.npy.gz")) == np.arange(12.0).reshape(2, 3, 2).tolist()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    for k in (1, 2, 10):
        (tmp_path / f"run-{k}.csv").write_text(f"x\n{k}\n{k + 1}\n")
    (tmp_path / ".hidden.csv").write_text("x\n1\n")
    (tmp_path / "notes.md").write_text("not data")
    return tmp_path


def test_folders_patterns_and_lists_are_their_files_in_the_order_of_their_numbers(runs: Path) -> None:
    names = ["run-1.csv", "run-2.csv", "run-10.csv"]
    for X in (runs, str(runs), runs / "run-*.csv", [runs / "run-[12].csv", runs / "run-10.csv"], [runs]):
        source = read(X)
        assert (source.ids.tolist(), source.id_name) == (names, "file")
        assert as_lists(source) == [[[k], [k + 1]] for k in (1, 2, 10)]
    (runs / "deep").mkdir()
    (runs / "deep" / "run-1.csv").write_text("x\n7\n")
    assert [Path(name).name for name in read(runs).ids] == ["run-1.csv", *names]
    (runs / "x.parquet").write_bytes(b"PAR1")
    with pytest.raises(UnreadableFile, match=r"files of several kinds \(4 .csv, 1 .parquet\); choose .*\*.csv"):
        read(runs)


def test_commands_take_several_files_and_standard_input(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs)

    def run(*arguments: str, text: str | None = None) -> None:
        result = CliRunner().invoke(app, [*arguments], input=text)
        assert result.exit_code == 0, (result.output, result.exception)

    run("fit", "run-1.csv", "run-2.csv", "run-10.csv", "-o", "m.seqae", "--latent-size", "2", "-q")
    run("embed", "m.seqae", "run-*.csv", "-o", "z.csv")
    run("embed", "m.seqae", "-", "-o", "z1.csv", text="x\n1\n2\n")
    several, one = pd.read_csv("z.csv"), pd.read_csv("z1.csv")
    assert several["file"].tolist() == ["run-1.csv", "run-2.csv", "run-10.csv"]
    assert np.array_equal(several.iloc[0, 1:], one.iloc[0, 1:])
    for target in ("run-2.csv", "./run-2.csv"):
        result = CliRunner().invoke(app, ["embed", "m.seqae", "run-*.csv", "-o", target])
        assert result.exit_code == 2
        assert "it is also read" in result.output


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (TEXT.encode(), IN_ALL),
        (gzip.compress(TEXT.encode(), mtime=0), IN_ALL),
        (zipped(x_csv=TEXT), IN_ALL),
        (b'{"id": "a", "values": [[1, 2], [3, 4]]}\n{"id": "b", "values": [[5, 6]]}\n', IN_ALL),
        (json.dumps(TABLE.to_pylist()).encode(), IN_ALL),
    ],
)
def test_standard_input_and_open_files_are_told_by_what_is_in_them(
    data: bytes, expected: list[Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    assert as_lists(read("-", id="id")) == expected
    with pytest.raises(UnreadableFile, match="standard input: is empty"):
        read("-")
    assert as_lists(read(io.BytesIO(data), id="id")) == expected
    with (tmp_path / "x").open("w+b") as file:
        file.write(data)
        file.seek(0)
        assert as_lists(read(file, id="id")) == expected
    os.mkfifo(tmp_path / "pipe.bin")
    threading.Thread(target=(tmp_path / "pipe.bin").write_bytes, args=[data]).start()
    assert as_lists(read(tmp_path / "pipe.bin", id="id")) == expected


@pytest.mark.parametrize("kind", ["parquet", "arrow", "orc"])
def test_open_binary_files_are_told_by_their_first_bytes(kind: str, tmp_path: Path) -> None:
    write: dict[str, Callable[[Path], None]] = {
        "parquet": lambda path: pl.from_arrow(TABLE).write_parquet(path),
        "arrow": lambda path: feather.write_feather(TABLE, str(path)),
        "orc": lambda path: orc.write_table(TABLE, str(path)),
    }
    write[kind](tmp_path / f"x.{kind}")
    assert as_lists(read(tmp_path / f"x.{kind}", id="id")) == IN_ALL
    assert as_lists(read(io.BytesIO((tmp_path / f"x.{kind}").read_bytes()), id="id")) == IN_ALL
    assert as_lists(read(io.StringIO(TEXT), id="id")) == IN_ALL


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_addresses(tmp_path: Path) -> None:
    import fsspec

    with fsspec.open("memory://shelf/x.csv", "w") as file:
        file.write(TEXT)
    assert as_lists(read("memory://shelf/x.csv", id="id")) == IN_ALL
    with pytest.raises(UnreadableFile, match=r"^memory://shelf/no.csv: cannot be fetched \(.*\); download it first"):
        read("memory://shelf/no.csv")
    (tmp_path / "x.csv").write_text(TEXT)
    assert as_lists(read(f"file://{tmp_path}/x.csv", id="id")) == IN_ALL


# -- text tables -------------------------------------------------------------------------------------------------------

# the content of a .csv file, arguments, channels, steps of the only sequence
TEXTS: dict[str, tuple[str, dict[str, Any], tuple[str, ...], list[list[float]]]] = {
    "no header": ("1,2\n3,4\n", {"header": False}, ("c0", "c1"), [[1, 2], [3, 4]]),
    "names for no header": ("1,2\n3,4\n", {"names": ["a", "b"]}, ("a", "b"), [[1, 2], [3, 4]]),
    "one column without a header": ("3.5\n4\n", {"header": False}, ("c0",), [[3.5], [4]]),
    "blanks": (" a   b\n 1.0  -2\n 3.5   4  \n", {}, ("a", "b"), [[1, -2], [3.5, 4]]),
    "tabs and blanks": ("a\tb\n1 \t 2\n3\t4\n", {}, ("a", "b"), [[1, 2], [3, 4]]),
    "blanks without a header": ("1.0 2e3\n3 4\n", {"header": False}, ("c0", "c1"), [[1, 2000], [3, 4]]),
    "bars": ("a|b\n1|2\n", {}, ("a", "b"), [[1, 2]]),
    "decimal commas": ("a;b\n1,5;2\n-3,25;4\n", {}, ("a", "b"), [[1.5, 2], [-3.25, 4]]),
    "decimal commas in quotes": ('a,b\n"1,5",2\n', {"decimal": ","}, ("a", "b"), [[1.5, 2]]),
    "decimal commas and tabs": ("a\tb\n1,5\t2\n", {"decimal": ","}, ("a", "b"), [[1.5, 2]]),
    "Excel's first line": ("sep=;\na;b\n1,5;2\n", {}, ("a", "b"), [[1.5, 2]]),
    "comments above": ("# made by x\n# 2026\na,b\n1,2\n", {}, ("a", "b"), [[1, 2]]),
    "comments between": ("# made by x\na,b\n1,2\n# pause\n3,4\n", {}, ("a", "b"), [[1, 2], [3, 4]]),
    "comments below": ("a,b\n1,2\n# end\n", {}, ("a", "b"), [[1, 2]]),
    "a header that is a comment": ("# t x\n0.0 1.5\n0.1 2.5\n", {}, ("t", "x"), [[0, 1.5], [0.1, 2.5]]),
    "a comma after each row": ("a,b\n1,2,\n3,4,\n", {}, ("a", "b"), [[1, 2], [3, 4]]),
    "empty columns and rows of spreadsheets": ("a;b;;\n1,5;2;;\n;;;\n;;;\n", {}, ("a", "b"), [[1.5, 2]]),
    "the usual marks of missing values": (
        "a,b\n1,2\n?,-\n.,None\n",
        {"missing": "mask"},
        ("a", "b"),
        [[1, 2], [0, 0], [0, 0]],
    ),
    "marks that are told": (
        "a,b\n1,-200\n-999,4.0\n",
        {"missing": "mask", "na": [-200, "-999"]},
        ("a", "b"),
        [[1, 0], [0, 4]],
    ),
    "Windows": ("a;b\r\n1,5;2\r\n", {}, ("a", "b"), [[1.5, 2]]),
}


@pytest.mark.parametrize("name", TEXTS)
def test_text_tables_as_people_write_them(tmp_path: Path, name: str) -> None:
    text, arguments, channels, steps = TEXTS[name]
    for ending in ("csv", "txt", "dat"):
        (tmp_path / f"x.{ending}").write_bytes(text.encode())
        source = read(tmp_path / f"x.{ending}", **arguments)
        assert source.channel_names == channels
        assert np.allclose(as_lists(source), [steps])


def test_a_line_of_units_is_told(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("t,temperature,state\ns,°C,\n0,1.5,1\n1,2.5,?\n")
    with pytest.warns(DataWarning, match=r"line 2 was read as units \(s, °C, \)"):
        source = read(tmp_path / "x.csv", time="t", missing="mask")
    assert as_lists(source) == [[[1.5, 1], [2.5, 0]]]


@pytest.mark.parametrize(
    ("text", "arguments", "error", "message"),
    [
        ("1,2\n3,4\n", {"names": ["a"]}, InvalidParameter, "names has 1 names, but line 1 has 2 fields"),
        ("1,2\n3,4\n", {"names": ["a", "a"]}, InvalidParameter, "names must differ"),
        ("1,2\n3,4\n", {"decimal": ";"}, InvalidParameter, "decimal must be '.' or ','"),
        ("1,2\n3\n", {"header": False}, UnreadableFile, "line 2 must have 2 fields as line 1 has, got 1"),
        ("# a\n# b\nx,y\n1,2\n1\n", {}, UnreadableFile, "line 5 must have 2 fields as line 3 has, got 1"),
        ("# a\n# b\n", {}, UnreadableFile, "has comments only"),
        ("a b\n1 2\n3\n", {}, UnreadableFile, "must have|row 0 is"),
    ],
)
def test_text_tables_that_are_refused(
    tmp_path: Path, text: str, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises((error, InvalidSequence), match=message):
        read(tmp_path / "x.csv", **arguments)


def test_options_of_text_tables_are_refused_elsewhere(tmp_path: Path) -> None:
    pl.from_arrow(TABLE).write_parquet(tmp_path / "x.parquet")
    for name, value in {"header": False, "names": ["a"], "decimal": ","}.items():
        with pytest.raises(InvalidParameter, match=f"{name}=.* is of text tables such as CSV"):
            read(tmp_path / "x.parquet", **{name: value})


# -- other programs ----------------------------------------------------------------------------------------------------


def excel(path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["id", "x", "y", None], *[[*row.values(), None] for row in TABLE.to_pylist()], [None] * 4):
        book.active.append(row)
    book.create_sheet("empty")
    book.save(path)


def hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["a"], file["b"] = np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6]])


def hdf5_of_steps(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["values"], file["lengths"] = np.array([[1.0, 2], [3, 4], [5, 6]]), [2, 1]


def matlab(path: Path) -> None:
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = np.array([[1.0, 2], [3, 4]]), np.array([[5.0, 6]])
    scipy.io.savemat(path, {"runs": cells})


def matlab_7_3(path: Path) -> None:
    with h5py.File(path, "w") as file:
        refs = [
            file.create_dataset(f"#refs#/{name}", data=np.array(part).T).ref
            for name, part in zip("ab", IN_ALL, strict=True)
        ]
        file.create_dataset("runs", (2, 1), h5py.ref_dtype)[:, 0] = refs


ARFF = """\
% made
@relation r
@attribute bag relational
  @attribute t1 numeric
@end bag
@attribute class {p,q}
@data
'1,3\\n2,4',p
'5\\n6',q
"""
TSF = """\
# made
@relation r
@attribute series_name string
@attribute start_timestamp date
@frequency monthly
@data
T1:1979-12-01 00-00-00:1,3
T2:1980-01-01 00-00-00:5
"""
FOREIGN: dict[str, tuple[str, Callable[[Path], object], dict[str, Any]]] = {
    "Excel": ("x.xlsx", excel, {"id": "id"}),
    "ORC": ("x.orc", lambda path: orc.write_table(TABLE, str(path)), {"id": "id"}),
    "Feather": ("x.feather", lambda path: feather.write_feather(TABLE, str(path)), {"id": "id"}),
    "HDF5": ("x.h5", hdf5, {}),
    "HDF5 of steps": ("x.hdf5", hdf5_of_steps, {}),
    "MATLAB": ("x.mat", matlab, {}),
    "MATLAB 7.3": ("x.mat", matlab_7_3, {}),
    "JSON of rows": ("x.json", lambda path: path.write_text(json.dumps(TABLE.to_pylist())), {"id": "id"}),
    "JSON of columns": ("x.json", lambda path: path.write_text(json.dumps(TABLE.to_pydict())), {"id": "id"}),
    "ARFF of sequences": ("x.arff", lambda path: path.write_text(ARFF), {}),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_files_of_other_programs(tmp_path: Path, name: str) -> None:
    file, write, arguments = FOREIGN[name]
    write(tmp_path / file)
    assert as_lists(read(tmp_path / file, **arguments)) == IN_ALL


def test_arff_of_a_table_leaves_its_class_out(tmp_path: Path) -> None:
    (tmp_path / "x.arff").write_text(
        "@relation r\n@attribute 'a 1' numeric\n@attribute b real\n@attribute target {1,2}\n@data\n1,2,1\n?,4,2\n"
    )
    source = read(tmp_path / "x.arff", missing="mask")
    assert (source.channel_names, as_lists(source)) == (("a 1", "b"), [[[1, 2], [0, 4]]])
    assert as_lists(read(tmp_path / "x.arff", wide=True, missing="mask"))[0] == [[1], [2]]


def test_tsf_has_names_and_times(tmp_path: Path) -> None:
    (tmp_path / "x.tsf").write_text(TSF)
    source = read(tmp_path / "x.tsf")
    assert (source.ids.tolist(), source.id_name, as_lists(source)) == (["T1", "T2"], "series_name", [[[1], [3]], [[5]]])
    assert source.times.tolist() == pd.to_datetime(["1979-12-01", "1980-01-01", "1980-01-01"]).to_pydatetime().tolist()


@pytest.mark.parametrize(("file", "extra"), [("x.xlsx", "excel"), ("x.h5", "hdf5"), ("x.mat", "hdf5")])
def test_a_missing_extra_is_named(tmp_path: Path, file: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    {"x.xlsx": excel, "x.h5": hdf5, "x.mat": matlab_7_3}[file](tmp_path / file)
    for module in ("openpyxl", "h5py"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'seqae\[{extra}\]'"):
        read(tmp_path / file)


# -- containers --------------------------------------------------------------------------------------------------------

LISTS = {"id": ["a", "b"], "x": [[1.0, 3], [5]], "y": [[2, 4], [6]], "label": ["p", "q"]}
STEPS = {"values": IN_ALL, "id": ["a", "b"]}
GROUPED = pd.DataFrame({"id": ["a", "a", "b"], "x": [1.0, 3, 5], "y": [2.0, 4, 6]})
CONTAINERS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "a generator": (lambda: (np.array(part) for part in IN_ALL), {}),
    "values of a dictionary": (lambda: {"a": IN_ALL[0], "b": IN_ALL[1]}.values(), {}),
    "a map": (lambda: map(np.array, IN_ALL), {}),
    "lists in Arrow": (lambda: pa.table(LISTS), {}),
    "lists in polars": (lambda: pl.DataFrame(LISTS), {"id": "id"}),
    "steps in Arrow": (lambda: pa.table(STEPS), {}),
    "steps in polars": (lambda: pl.DataFrame(STEPS), {}),
    "steps of one size": (
        lambda: pa.table({"v": pa.array(IN_ALL, pa.list_(pa.list_(pa.float32(), 2))), "id": ["a", "b"]}),
        {},
    ),
    "nested tensors": (
        lambda: torch.nested.nested_tensor([torch.tensor(part).float() for part in IN_ALL], layout=torch.jagged),
        {},
    ),
    "groups of pandas": (lambda: GROUPED.groupby("id")[["x", "y"]], {}),
    "groups of polars": (lambda: pl.DataFrame(GROUPED).group_by("id", maintain_order=True), {"channels": ["x", "y"]}),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers(name: str) -> None:
    make, arguments = CONTAINERS[name]
    source = read(make(), **arguments)
    assert as_lists(source) == IN_ALL
    if name not in ("a generator", "values of a dictionary", "a map", "nested tensors"):
        assert source.ids.tolist() == ["a", "b"]


def test_lists_in_files(tmp_path: Path) -> None:
    table = pa.table(LISTS)
    pl.from_arrow(table).write_parquet(tmp_path / "x.parquet")
    (tmp_path / "x.jsonl").write_text("\n".join(json.dumps(row) for row in table.to_pylist()))
    for path in tmp_path.iterdir():
        source = read(path)
        assert (as_lists(source), source.ids.tolist(), source.channel_names) == (IN_ALL, ["a", "b"], ("x", "y"))
    words = pa.table({"id": ["a", "b"], "w": [["on", "off"], ["on"]]})
    source = read(words, symbols="auto")
    assert [[(source.vocabulary or ())[token] for token in part] for part in source] == [["on", "off"], ["on"]]


def test_lists_with_times_and_missing_values() -> None:
    table = {"t": [["2026-01-01", "2026-01-03"], ["2026-01-02"]], "x": [[1, None], [3]]}
    source = read(pa.table(table), time="t", missing="mask")
    assert source.times.astype("M8[D]").astype(str).tolist() == ["2026-01-01", "2026-01-03", "2026-01-02"]
    assert source.ragged.observed.ravel().tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("columns", "arguments", "message"),
    [
        ({"x": [[1, 2]], "y": [[1]]}, {}, "row 0: 'y' has 1 steps, but 'x' has 2"),
        ({"x": [[1, 2], []]}, {}, "row 1 has no steps"),
        ({"x": [[1, 2], None]}, {}, "row 1 has no 'x'"),
        ({"x": [[[1, 2], [3]]]}, {}, "steps of different numbers of values"),
        ({"x": [[1, 2]], "y": [1]}, {"channels": ["x", "y"]}, "column 'y' holds int64, but other channels hold a list"),
        ({"x": [[1, 2]], "t": [1]}, {"time": "t"}, "must be a column with a list of times"),
        ({"x": [[1, 2]], "t": [[2, 1]]}, {"time": "t"}, "falls from 2 to 1"),
        ({"x": [[1.0, float("nan")]]}, {"missing": "error"}, "sequence 0, step 1, channel 0 is NaN"),
    ],
)
def test_lists_that_are_refused(columns: dict[str, Any], arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SeqaeError, match=message):
        read(pa.table(columns), **arguments)
