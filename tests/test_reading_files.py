"""Files of every kind, and what is said of those that cannot be read."""

import contextlib
import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest

from seqae.errors import InvalidParameter, InvalidSequence, UnreadableFile
from seqae.reading import read
from seqae.sequences.ragged import Ragged

SHARED = Path(__file__).parents[2] / "shared" / "data"
TABLE = pa.table({"id": ["b", "a", "b"], "t": [1, 5, 2], "x": [1.5, 2.5, 3.5], "y": [5, 4, 3]})
SEQUENCES = [[[1.5, 5], [3.5, 3]], [[2.5, 4]]]
CSV = "id,t,x,y\nb,1,1.5,5\na,5,2.5,4\nb,2,3.5,3\n"
JSONL = "\n".join(map(json.dumps, TABLE.to_pylist()))
TS = "# comment\n@problemName p\n@timeStamps false\n@classLabel true 1 2\n\n@data\n1.5,3.5:5,3:1\n2.5:4:2\n"


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def assert_same(ragged, expected):
    assert [sequence.tolist() for sequence in ragged] == expected


def write_long_table(path):
    kind = path.name.partition(".")[2]
    if kind in ("parquet", "pq"):
        pq.write_table(TABLE, path)
    elif kind in ("arrow", "feather"):
        feather.write_feather(TABLE, path, compression="zstd" if kind == "feather" else "uncompressed")
    elif kind == "ipc":
        with pa.ipc.new_stream(path, TABLE.schema) as stream:
            stream.write_table(TABLE)
    else:
        text = {"csv": CSV, "tsv": CSV.replace(",", "\t"), "jsonl": JSONL, "ndjson": JSONL}[kind.removesuffix(".gz")]
        write(path, gzip.compress(text.encode()) if kind.endswith(".gz") else text)
    return path


@pytest.mark.parametrize(
    "kind",
    ["csv", "csv.gz", "tsv", "tsv.gz", "parquet", "pq", "arrow", "feather", "ipc", "jsonl", "jsonl.gz", "ndjson"],
)
@pytest.mark.parametrize("as_path", [str, Path])
def test_long_tables(tmp_path, kind, as_path):
    source = read(as_path(write_long_table(tmp_path / f"x.{kind}")), id="id", time="t")
    assert_same(source.ragged, SEQUENCES)
    assert source.ids.tolist() == ["b", "a"]
    assert source.times.tolist() == [1, 2, 5]
    assert source.channel_names == ("x", "y")


@pytest.mark.parametrize("kind", ["npz", "ts", "ts.gz", "jsonl"])
def test_files_of_whole_sequences(tmp_path, kind):
    path = tmp_path / f"x.{kind}"
    if kind == "npz":
        values = np.concatenate(SEQUENCES)
        np.savez(path, values=values, lengths=[2, 1], y=["1", "2"])
    elif kind == "jsonl":
        write(path, "\n".join(json.dumps({"values": values}) for values in SEQUENCES))
    else:
        write(path, gzip.compress(TS.encode()) if kind == "ts.gz" else TS)
    source = read(path)
    assert_same(source.ragged, SEQUENCES)
    assert source.ids.tolist() == [0, 1]
    assert source.channel_names == ("channel_0", "channel_1")


# -- CSV ---------------------------------------------------------------------------------------------------------------


def test_csv_variants(tmp_path):
    path = tmp_path / "x.csv"
    for text in (CSV.replace(",", ";"), CSV.replace("\n", "\r\n"), "\ufeff" + CSV, CSV.replace("\n", "\n\n"), CSV[:-1]):
        assert_same(read(write(path, text), id="id", time="t").ragged, SEQUENCES)
    write(path, '"a ""b""\nc",x\n"p, q",1\n')
    assert read(path, id='a "b"\nc').ids.tolist() == ["p, q"]


def test_csv_ids_keep_their_writing(tmp_path):
    assert read(write(tmp_path / "x.csv", "id,x\n007,1\n7,2\n"), id="id").ids.tolist() == ["007", "7"]
    assert read(write(tmp_path / "x.csv", "id,x\n-7,1\n12,2\n"), id="id").ids.tolist() == [-7, 12]
    assert read(write(tmp_path / "x.csv", "id,x\nNA,1\nnull,2\n"), id="id").ids.tolist() == ["NA", "null"]


def test_csv_dates_and_missing_values(tmp_path):
    path = write(tmp_path / "x.csv", "when,x,y\n2020-01-01 00:00:00,1,\n2020-01-01 01:00:00,NaN,2\n")
    source = read(path, time="when", missing="mask")
    assert source.times.astype("M8[h]").astype(str).tolist() == ["2020-01-01T00", "2020-01-01T01"]
    assert source.ragged.observed.tolist() == [[True, False], [False, True]]


def test_csv_wide(tmp_path):
    path = write(tmp_path / "x.csv", "0,1,2\n1,2,\n3,,\n4,5,6\n")
    assert_same(read(path, wide=True).ragged, [[[1], [2]], [[3]], [[4], [5], [6]]])


def test_csv_types_are_those_of_the_whole_column(tmp_path):
    n = 200_000
    path = write(tmp_path / "x.csv", "x\n" + "1\n" * n + "0.5\n")
    assert read(path).ragged.values[-1, 0] == 0.5


CSV_FAULTS = {
    "empty": ("", UnreadableFile, "is empty"),
    "blank": (" \n\n", UnreadableFile, "is empty"),
    "header only": ("a,b\n", InvalidSequence, "the table has no rows"),
    "short row": ("a,b\n1,2\n\n3\n", UnreadableFile, "line 4 must have 2 fields as line 1 has, got 1"),
    "long row": ("a,b\n1,2,3\n", UnreadableFile, "line 2 must have 2 fields as line 1 has, got 3"),
    "short row after quotes": ('a,b\n"1\n",2\n3\n', UnreadableFile, "line 4 must have 2 fields"),
    "Latin-1": (b"a,b\n1,2\nx\xe9,3\n", UnreadableFile, "line 3 is not UTF-8: byte 9 of the file is 0xe9 .*'é'"),
    "Latin-1 names": (b"\xe9,b\n1,2\n", UnreadableFile, "line 1 is not UTF-8"),
    "UTF-16": ("a,b\n1,2\n".encode("utf-16"), UnreadableFile, "is UTF-16"),
    "UTF-16 without mark": ("a,b\n1,2\n".encode("utf-16-le"), UnreadableFile, "is no text: byte 1, in line 1, is zero"),
    "text": ("a,b\n1,2\nfoo,3\n", InvalidSequence, "column 'a', row 1 is 'foo'"),
    "decimal commas and points": ("a;b\n1,5;2\n1.5;2\n", InvalidSequence, "column 'a', row 0 is '1,5'"),
    "same names": ("a,a\n1,2\n", InvalidSequence, "column 'a' occurs twice"),
    "no header": ("1.5,2\n3,4\n", UnreadableFile, "line 1 must name the columns, got the numbers 1.5, 2"),
    "an index": (",a\n0,2\n", InvalidSequence, "a column has no name"),
    "1e30": ("a\n0\n1e30\n", InvalidSequence, r"step 1, channel 'a' \(row 1\) is 1e\+30"),
    "missing": ("a,b\n1,\n", InvalidSequence, r"step 0, channel 'b' \(row 0\) is missing"),
    "missing in a single column": ("a\n1\n\n3\n", InvalidSequence, r"step 1, channel 'a' \(row 1\) is missing"),
    "infinity": ("a\ninf\n", InvalidSequence, r"channel 'a' \(row 0\) is inf"),
    "HTML": ("\n<!DOCTYPE html><p>1,2", UnreadableFile, "is an HTML page and no .csv file"),
    "zip": (b"PK\x03\x04" + bytes(99), UnreadableFile, "is a zip archive .* and no .csv file"),
    "binary": (b"a,b\n\1\2\0", UnreadableFile, "is no text: byte 6, in line 2, is zero"),
}


@pytest.mark.parametrize("name", CSV_FAULTS)
def test_csv_faults(tmp_path, name):
    content, error, message = CSV_FAULTS[name]
    assert_refused(write(tmp_path / "x.csv", content), error, message, missing="error")


def test_a_system_that_starts_no_more_threads_is_named(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise pa.ArrowException("Unknown error: Failed to launch worker thread: Resource temporarily unavailable")

    monkeypatch.setattr("pyarrow.csv.read_csv", refuse)
    assert_refused(
        write(tmp_path / "x.csv", "x\n1\n"), UnreadableFile, r"no more threads; raise its limit \(ulimit -u\)"
    )


def test_a_csv_row_without_id(tmp_path):
    assert_refused(write(tmp_path / "x.csv", "id,x\n1,2\n,3\n"), InvalidSequence, "row 1 has no 'id'", id="id")
    assert_refused(write(tmp_path / "x.csv", CSV), InvalidParameter, "did you mean 'id'", id="Id")


def assert_refused(path, error, message, **arguments):
    """The error is one line, which starts with the file's name."""
    with pytest.raises(error, match=message) as caught:
        read(path, **arguments)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


# -- files as such -----------------------------------------------------------------------------------------------------


def test_files_that_are_not_there(tmp_path):
    write(tmp_path / "train.csv", CSV)
    assert_refused(tmp_path / "trian.csv", UnreadableFile, "there is no such file; did you mean train.csv?")
    assert_refused(tmp_path / "zzz", UnreadableFile, "there is no such file; check the path")
    assert_refused(tmp_path / "no" / "x.csv", UnreadableFile, "nor a folder .*no; check the path")
    assert_refused(tmp_path / "empty", UnreadableFile, "no such file")
    (tmp_path / "empty").mkdir()
    assert_refused(tmp_path / "empty", UnreadableFile, "is a folder without data files")


@pytest.mark.parametrize("name", ["x.xls", "x", ".csvx"])
def test_unknown_extensions(tmp_path, name):
    assert_refused(
        write(tmp_path / name, CSV),
        UnreadableFile,
        r"no known extension; known are \.arff, \.arrow, .*\.xlsx, and \.gz",
    )


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "arrow", "npz", "npy", "jsonl", "ts"])
def test_empty_files(tmp_path, kind):
    assert_refused(write(tmp_path / f"x.{kind}", ""), UnreadableFile, "is empty")


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "arrow", "npz", "npy"])
@pytest.mark.parametrize("content", [b"<html>" * 99, b"not at all what it says" * 9, CSV.encode()])
def test_files_of_another_kind(tmp_path, kind, content):
    assert_refused(write(tmp_path / f"x.{kind}", content), UnreadableFile, "is |cannot be read")


@pytest.mark.parametrize("kind", ["csv.gz", "parquet", "feather", "arrow", "ipc", "npz", "npy"])
def test_truncated_files(tmp_path, kind):
    path = tmp_path / f"whole.{kind}"
    if kind == "npz":
        np.savez_compressed(path, values=np.arange(6.0).reshape(3, 2), lengths=[2, 1])
    elif kind == "npy":
        np.save(path, np.ones((2, 3, 4)))
    else:
        write_long_table(path)
    whole = path.read_bytes()
    arguments = {} if kind.startswith("np") else {"id": "id", "time": "t"}
    for n in {1, 5, 8, len(whole) // 2, len(whole) - 9}:
        assert_refused(write(tmp_path / f"cut.{kind}", whole[:n]), UnreadableFile, "is |cannot be read", **arguments)


@pytest.mark.parametrize("kind", ["parquet", "feather", "arrow", "npz", "npy"])
def test_flipped_bytes_are_read_or_refused(tmp_path, kind):
    """No byte may bring down the process or show a traceback of another library."""
    path = tmp_path / f"whole.{kind}"
    if kind == "npz":
        np.savez(path, values=np.arange(6.0).reshape(3, 2), lengths=[2, 1])
    elif kind == "npy":
        np.save(path, np.ones((2, 3, 4)))
    else:
        write_long_table(path)
    whole = path.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 200)):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        with contextlib.suppress(UnreadableFile, InvalidSequence, InvalidParameter):
            read(write(tmp_path / f"flipped.{kind}", bytes(damaged)), id=None if kind.startswith("np") else "id")


def test_parquet_of_pandas_leaves_its_index_out(tmp_path):
    pd.DataFrame({"x": [1, 2]}, index=["a", "b"]).to_parquet(tmp_path / "x.parquet")
    assert read(tmp_path / "x.parquet").channel_names == ("x",)


def test_folders_are_not_taken_for_columns(tmp_path):
    (tmp_path / "id=3").mkdir()
    pq.write_table(pa.table({"x": [1]}), tmp_path / "id=3" / "x.parquet")
    assert read(tmp_path / "id=3" / "x.parquet").channel_names == ("x",)


def test_an_uncompressed_arrow_file_stays_on_disk(tmp_path):
    table = pa.table({"x": np.ones(10**6, np.float32)})
    with pa.ipc.new_file(tmp_path / "x.arrow", table.schema) as file:
        file.write_table(table)
    before = pa.total_allocated_bytes()
    source = read(tmp_path / "x.arrow")
    assert pa.total_allocated_bytes() - before < 10**6
    assert not source.ragged.values.flags.owndata
    assert not source.ragged.values.flags.writeable


# -- NumPy's files -----------------------------------------------------------------------------------------------------


def test_npy_stays_on_disk(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((4, 3, 2), np.float32))
    values = read(tmp_path / "x.npy").ragged.values
    base = values
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)
    assert np.shares_memory(values, base)


def test_npz_of_one_block_beside_other_arrays(tmp_path):
    np.savez(tmp_path / "x.npz", X=np.ones((2, 3, 1)), y=np.array(["a", None], object), split=["a", "b"])
    assert_same(read(tmp_path / "x.npz").ragged, [[[1]] * 3] * 2)
    np.savez(tmp_path / "x.npz", X=np.array([[1, np.nan], [2, 3]]))
    assert_same(read(tmp_path / "x.npz", wide=True).ragged, [[[1]], [[2], [3]]])


def test_npz_of_one_axis(tmp_path):
    np.savez(tmp_path / "x.npz", values=np.array([1.5, 2, 3]), lengths=[2, 1])
    assert_same(read(tmp_path / "x.npz").ragged, [[[1.5], [2]], [[3]]])
    np.savez(tmp_path / "x.npz", values=np.array([5, 2, 3], np.int16), lengths=[2, 1])
    source = read(tmp_path / "x.npz")
    assert source.ragged.is_tokens
    assert_same(source.ragged, [[5, 2], [3]])
    assert source.channel_names == ("token",)


def test_npz_with_ids_and_times(tmp_path):
    np.savez(tmp_path / "x.npz", values=np.ones((3, 2)), lengths=[2, 1], name=["b", "a"], t=[1.5, 2, 0])
    source = read(tmp_path / "x.npz", id="name", time="t", channels=["p", "q"])
    assert (source.ids.tolist(), source.id_name) == (["b", "a"], "name")
    assert (source.times.tolist(), source.time_name) == ([1.5, 2, 0], "t")
    assert source.channel_names == ("p", "q")
    np.savez(tmp_path / "x.npz", values=np.ones((3, 2)), lengths=[2, 1], name=["b", "a"], t=[2, 2, 0])
    message = "name 'b': t is 2 in both of rows 0 and 1"
    assert_refused(tmp_path / "x.npz", InvalidSequence, message, id="name", time="t")
    assert_refused(tmp_path / "x.npz", InvalidParameter, "id='nam' is not in the file; it holds values", id="nam")
    assert_refused(tmp_path / "x.npz", InvalidParameter, r"one per sequence, shape \(2,\), got \(3,\)", id="t")
    assert_refused(tmp_path / "x.npz", InvalidParameter, r"one per step, shape \(3,\), got \(2,\)", time="name")


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([2, 3], "lengths add up to 5 steps, but values has 6"),
        ([2, 5], "lengths add up to 7 steps, but values has 6"),
        ([-1, 7], r"lengths\[0\] is -1; it must not be negative"),
        ([6, 0], r"lengths\[1\] is 0; leave sequences without steps out"),
        ([1.5, 4.5], r"lengths\[0\] is 1.5; it must be a whole number"),
        ([[6]], r"lengths \(n_sequences,\), .* got shapes \(6, 2\) and \(1, 1\)"),
        (["a"], "lengths must be whole numbers, got text"),
        ([], "neither of them empty"),
        ([2**62] * 4 + [6], "lengths add up to 18446744073709551622 steps"),
    ],
)
def test_npz_lengths_that_do_not_fit(tmp_path, lengths, message):
    np.savez(tmp_path / "x.npz", values=np.ones((6, 2)), lengths=lengths)
    assert_refused(tmp_path / "x.npz", InvalidSequence, message)


def test_numpy_files_that_are_refused(tmp_path):
    np.save(tmp_path / "x.npy", np.array([1, "a"], object), allow_pickle=True)
    assert_refused(tmp_path / "x.npy", UnreadableFile, "holds Python objects, and loading those could run code")
    np.savez(tmp_path / "x.npz", values=np.array([1, "a"], object), lengths=[2])
    assert_refused(tmp_path / "x.npz", UnreadableFile, "array 'values' holds Python objects")
    np.savez(tmp_path / "x.npz", a=np.ones((2, 3)), b=np.ones(2))
    assert_refused(tmp_path / "x.npz", UnreadableFile, r"just one with 3 axes; it holds a \(2, 3\), b \(2,\)")
    np.savez(tmp_path / "x.npz", values=np.array([[1.0], [np.nan]]), lengths=[1, 1])
    assert_refused(tmp_path / "x.npz", InvalidSequence, "sequence 1, step 0, channel 0 is NaN", missing="error")
    np.save(tmp_path / "x.npy", np.ones((2, 3)))
    assert_refused(tmp_path / "x.npy", InvalidSequence, r"got shape \(2, 3\); use X\[None\]")
    assert_refused(tmp_path / "x.npy", InvalidParameter, "id='a' names a column", id="a")


@pytest.mark.parametrize("path", sorted(SHARED.glob("cls_*.npz")) or [None], ids=lambda path: path and path.stem)
def test_real_data(path):
    if path is None:
        pytest.skip(f"{SHARED} is absent")
    with np.load(path, allow_pickle=False) as archive:
        values, lengths = archive["values"], archive["lengths"]
    source = read(path)
    np.testing.assert_array_equal(source.ragged.values, values)
    np.testing.assert_array_equal(source.ragged.lengths, lengths)
    np.testing.assert_array_equal(source.ragged[-1], values[len(values) - lengths[-1] :])


# -- JSON Lines --------------------------------------------------------------------------------------------------------


def test_jsonl_sequences_with_ids_and_missing_values(tmp_path):
    path = write(tmp_path / "x.jsonl", '{"id": 7, "values": [[1, null], [2, NaN]]}\n\n{"id": 3, "values": [[0, 1]]}\n')
    source = read(path, missing="mask", channels=["p", "q"])
    assert (source.ids.tolist(), source.id_name, source.channel_names) == ([7, 3], "id", ("p", "q"))
    assert source.ragged.observed.tolist() == [[True, False], [True, False], [True, True]]
    assert_refused(path, InvalidSequence, "sequence 0, step 0, channel 1 is NaN", missing="error")
    write(path, '{"id": 7, "name": "u", "values": [1, 2]}')
    assert read(path, id="name").ids.tolist() == ["u"]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('{"x": 1}\n{"x"', UnreadableFile, "line 2 is no valid JSON .*column 5"),
        ("[1]", UnreadableFile, r"line 1 must be an object in braces, got \[1\]"),
        ("[" * 100_000, UnreadableFile, "line 1 is no valid JSON"),
        ('{"values": [[1, "a"]]}', InvalidSequence, "sequence 0 must hold real numbers, got text"),
        ('{"values": [[1], [1, 2]]}', InvalidSequence, "sequence 0 .* step 1 is 2 values, but step 0 is 1 values"),
        ('{"values": []}', InvalidSequence, "sequence 0 has no steps"),
        ('{"values": [1]}\n{"x": 1}', InvalidSequence, "line 2 must have a list 'values'"),
        ('{"id": 1, "values": [1]}\n\n{"values": [1]}', InvalidSequence, "line 3 has no 'id'"),
        ('{"id": 1, "values": [1]}\n{"id": "a", "values": [1]}', InvalidSequence, "'id' must be of one type"),
        ('{"x": 1}\n{"x": "a"}', InvalidSequence, "'x' must be of one type throughout"),
        ('{"x": 1}\n{"y": 1}', InvalidSequence, r"step 0, channel 'y' \(row 0\) is missing"),
        ('{"x": 1' + "0" * 400 + "}", InvalidSequence, "'x' must be of one type throughout"),
        ("{}", InvalidSequence, "no rows|no column"),
    ],
)
def test_jsonl_faults(tmp_path, text, error, message):
    assert_refused(write(tmp_path / "x.jsonl", text), error, message, missing="error")


def test_jsonl_sequences_take_no_times(tmp_path):
    path = write(tmp_path / "x.jsonl", '{"values": [1]}')
    assert_refused(path, InvalidParameter, "here each line is a whole sequence", time="t")


# -- .ts ---------------------------------------------------------------------------------------------------------------


def test_ts_without_labels_and_with_missing_values(tmp_path):
    path = write(tmp_path / "x.ts", "@TimeStamps false\n@classLabel false\n@DATA\n1,?,3\n4\n")
    source = read(path, missing="mask")
    assert_same(source.ragged, [[[1], [0], [3]], [[4]]])
    assert source.ragged.observed[:, 0].tolist() == [True, False, True, True]
    assert_refused(path, InvalidSequence, "sequence 0, step 1, channel 0 is NaN", missing="error")


def test_ts_targets_are_left_out(tmp_path):
    path = write(tmp_path / "x.ts", "@targetlabel true\n@data\n1,2:0.5\n")
    assert_same(read(path).ragged, [[[1], [2]]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2", "line 1 must be a tag such as @classLabel, got '1,2'"),
        ("@classLabel true\n", "has no @data line"),
        ("@data\n", "has no sequences after @data"),
        ("@timestamps true\n@data\n(0,1)\n", "has @timeStamps true"),
        (TS.replace("5,3:1", "5:1"), "line 7 has channels of 1 and of 2 steps"),
        (TS.replace("2.5:", "x:"), "line 8: could not convert string to float: 'x'"),
        ("@classLabel true a\n@data\na\n", "line 3 has no channel besides its label"),
        (TS.replace("comment", "caf\xe9").encode("latin-1"), "line 1 is not UTF-8"),
    ],
)
def test_ts_faults(tmp_path, text, message):
    assert_refused(write(tmp_path / "x.ts", text), UnreadableFile, message)


def test_files_and_memory_agree(tmp_path):
    block = np.random.default_rng(0).normal(size=(5, 7, 3))
    np.save(tmp_path / "x.npy", block)
    np.testing.assert_array_equal(read(tmp_path / "x.npy").ragged.values, Ragged.from_any(block).values)
