"""Results are written whole, and can be read again."""

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch

from seqae.errors import InvalidParameter, InvalidSequence
from seqae.reading import read
from seqae.sequences.ragged import Ragged
from seqae.storage.tables import check_target, write_steps, write_table, write_vectors

SUFFIXES = pytest.mark.parametrize("suffix", [".parquet", ".csv", ".CSV"])
LONG = pa.table(
    {
        "id": ["b", "a", "b", "a", "a"],
        "when": pa.array([datetime.datetime(2020, 1, day) for day in (1, 2, 3, 4, 5)], pa.timestamp("us")),
        "x": [1.0, 2.0, 3.0, None, 5.0],
        "y": [0.1, 0.2, 0.3, 0.4, 0.5],
    }
)


def table_of(path):
    return pq.read_table(path) if path.suffix == ".parquet" else pa.csv.read_csv(path)


@SUFFIXES
def test_vectors_come_in_input_order_with_their_ids(tmp_path, suffix):
    vectors = np.random.default_rng(0).normal(size=(3, 2)).astype(np.float32)
    write_vectors(tmp_path / f"z{suffix}", np.array(["b", "a", "b"], object), "name", vectors)
    table = table_of(tmp_path / f"z{suffix}")
    assert table.column_names == ["name", "z0", "z1"]
    assert table["name"].to_pylist() == ["b", "a", "b"]
    for k in range(2):
        np.testing.assert_array_equal(np.float32(table[f"z{k}"].to_numpy()), vectors[:, k])  # CSV keeps every bit


@SUFFIXES
def test_steps_are_the_long_table_again(tmp_path, suffix):
    source = read(LONG, id="id", time="when", missing="mask")
    path = tmp_path / f"steps{suffix}"
    write_steps(path, source, source.ragged)
    again = read(path, id="id", time="when", missing="mask")
    assert again.ids.tolist() == ["b", "a"]
    assert again.channel_names == ("x", "y")
    np.testing.assert_array_equal(again.times, source.times)
    np.testing.assert_array_equal(again.ragged.values, source.ragged.values)
    np.testing.assert_array_equal(again.ragged.observed, source.ragged.observed)
    np.testing.assert_array_equal(again.ragged.lengths, source.ragged.lengths)


def test_steps_without_times_are_numbered(tmp_path):
    source = read([[1.0, 2.0], [3.0]])
    made = Ragged.back_to_back(torch.tensor([[9.0], [8.0], [7.0]]), source.ragged.lengths)
    write_steps(tmp_path / "x.parquet", source, made)
    assert table_of(tmp_path / "x.parquet").to_pydict() == {
        "sequence": [0, 0, 1],
        "step": [0, 1, 0],
        "channel_0": [9, 8, 7],
    }


def test_steps_of_chosen_and_of_wide_sequences(tmp_path):
    source = read(np.array([[1, np.nan, np.nan], [2, 3, 4]]), wide=True)
    write_steps(tmp_path / "x.parquet", source, source.ragged)
    assert table_of(tmp_path / "x.parquet")["channel_0"].to_pylist() == [1, 2, 3, 4]


def test_steps_of_tokens(tmp_path):
    source = read(Ragged.from_tokens([[5, 6], [7]]))
    write_steps(tmp_path / "x.parquet", source, source.ragged)
    assert table_of(tmp_path / "x.parquet")["token"].to_pylist() == [5, 6, 7]


def test_names_that_are_taken_do_not_clash(tmp_path):
    write_vectors(tmp_path / "z.csv", np.arange(2), "z0", np.ones((2, 1)))
    assert table_of(tmp_path / "z.csv").column_names == ["z0_", "z0"]
    source = read([np.ones((2, 2))], channels=["step", "sequence"])
    write_steps(tmp_path / "x.csv", source, source.ragged)
    assert table_of(tmp_path / "x.csv").column_names == ["sequence_", "step_", "step", "sequence"]


def test_ids_keep_their_type(tmp_path):
    for ids in (np.array([1, 2], np.int8), np.array(["2020", "2021"], "M8[s]"), np.array(["a", "b"])):
        write_table(tmp_path / "x.parquet", {"id": ids})
        assert (
            read(pq.read_table(tmp_path / "x.parquet").append_column("x", [[1, 2]]), id="id").ids.tolist()
            == ids.tolist()
        )


def test_steps_must_be_those_of_the_source(tmp_path):
    source = read([[1.0, 2.0], [3.0]])
    with pytest.raises(InvalidSequence, match="must be as long as those read"):
        write_steps(tmp_path / "x.csv", source, source.ragged[:1])
    with pytest.raises(InvalidSequence, match="must have 1 channels as those read"):
        write_steps(tmp_path / "x.csv", source, Ragged.back_to_back(np.ones((3, 2)), source.ragged.lengths))
    assert not list(tmp_path.iterdir())


def test_targets_are_checked(tmp_path):
    assert check_target(tmp_path / "x.csv") == tmp_path / "x.csv"
    with pytest.raises(InvalidParameter, match=r"its extension must be \.parquet or \.csv"):
        check_target(tmp_path / "x.xlsx")
    with pytest.raises(InvalidParameter, match=r"there is no folder .*no; make it first"):
        check_target(tmp_path / "no" / "x.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InvalidParameter, match="it is a folder"):
        check_target(tmp_path / "folder.csv")


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    target = tmp_path / "x.parquet"
    write_table(target, {"x": [1]})

    def fill_the_disk(table, path):
        path.write(b"PAR1 and then no more")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", fill_the_disk)
    with pytest.raises(InvalidParameter, match=r"cannot write .*x\.parquet: No space left on device"):
        write_table(target, {"x": [2]})
    assert table_of(target)["x"].to_pylist() == [1]
    assert list(tmp_path.iterdir()) == [target]


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(table, path):
        path.write(b"x")
        raise KeyboardInterrupt

    monkeypatch.setattr(pa.csv, "write_csv", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_table(tmp_path / "x.csv", {"x": [2]})
    assert not list(tmp_path.iterdir())
