"""Arrays and data frames in memory: every kind gives the same sequences, ids, times and names."""

import datetime
import decimal
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqae.errors import DataWarning, InvalidParameter, InvalidSequence
from seqae.reading import Source, read
from seqae.sequences.ragged import Ragged

COLUMNS = {"id": ["b", "a", "b", "a", "b"], "t": [1, 5, 2, 6, 4], "x": [1.0, 2.0, 3.0, 4.0, 5.0], "y": [5, 4, 3, 2, 1]}
SEQUENCES = [[[1, 5], [3, 3], [5, 1]], [[2, 4], [4, 2]]]

FRAMES = {
    "pandas": pd.DataFrame(COLUMNS),
    "pandas with categorical ids": pd.DataFrame(COLUMNS).astype({"id": "category"}),
    "pandas with unused categories": pd.DataFrame(COLUMNS).astype({"id": pd.CategoricalDtype(["z", "a", "b"])}),
    "pandas with another index": pd.DataFrame(COLUMNS, index=[9, 8, 8, 6, 5]),
    "pandas with nullable types": pd.DataFrame(COLUMNS).convert_dtypes(),
    "polars": pl.DataFrame(COLUMNS),
    "polars with categorical ids": pl.DataFrame(COLUMNS).with_columns(pl.col("id").cast(pl.Categorical)),
    "lazy polars": pl.LazyFrame(COLUMNS),
    "pyarrow": pa.table(COLUMNS),
    "pyarrow in chunks": pa.concat_tables([pa.table(COLUMNS)[:2], pa.table(COLUMNS)[2:]]),
    "pyarrow record batch": pa.table(COLUMNS).to_batches()[0],
    "pyarrow string views": pa.table(COLUMNS).set_column(0, "id", pa.array(COLUMNS["id"], pa.string_view())),
}


def assert_same(ragged, expected):
    assert [sequence.tolist() for sequence in ragged] == expected


@pytest.mark.parametrize("name", FRAMES)
def test_long_frames(name):
    source = read(FRAMES[name], id="id", time="t")
    assert_same(source.ragged, SEQUENCES)
    assert source.ids.tolist() == ["b", "a"]
    assert source.times.tolist() == [1, 2, 4, 5, 6]
    assert source.channel_names == ("x", "y")
    assert (source.id_name, source.time_name) == ("id", "t")
    assert len(source) == 2


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(-9, 9, width=32)), min_size=1, max_size=40))
def test_rows_of_an_id_are_joined_in_row_order(rows):
    expected = {}
    for key, value in rows:
        expected.setdefault(key, []).append([value])
    source = read(pa.table({"key": [key for key, _ in rows], "x": [value for _, value in rows]}), id="key")
    assert source.ids.tolist() == list(expected)
    assert_same(source.ragged, list(expected.values()))


def test_rows_that_lie_in_order_are_not_copied():
    x = np.arange(6, dtype=np.float32)
    source = read(pa.table({"id": [1, 1, 0, 0, 0, 2], "x": x}), id="id")
    assert np.shares_memory(source.ragged.values, x)
    assert source.ragged.lengths.tolist() == [2, 3, 1]


@pytest.mark.parametrize(
    "ids",
    [
        np.array([3, 3, 1], np.int8),
        np.array([True, True, False]),
        np.array([0.5, 0.5, -1.0]),
        np.array(["2020-01-02", "2020-01-02", "2020-01-01"], "M8[ms]"),
        [datetime.date(2020, 1, 2), datetime.date(2020, 1, 2), datetime.date(2020, 1, 1)],
        [decimal.Decimal("1.10"), decimal.Decimal("1.10"), decimal.Decimal("1.20")],
        ["007", "007", "7"],
    ],
)
def test_ids_keep_their_type(ids):
    source = read(pa.table({"id": pa.array(ids), "x": [1.0, 2.0, 3.0]}), id="id")
    np.testing.assert_array_equal(source.ids, np.asarray(pa.array([ids[0], ids[2]])))
    if isinstance(ids, np.ndarray):
        assert source.ids.dtype == ids.dtype


@pytest.mark.parametrize(
    "times",
    [
        np.array([1.5, 2.5], np.float32),
        np.array(["2020-01-01T00", "2020-01-01T01"], "M8[ns]"),
        np.array([1, 2], "m8[s]"),
        np.array([0, 2**63 + 1], np.uint64),
    ],
)
def test_times_keep_their_type(times):
    source = read(pa.table({"t": times, "x": [1, 2]}), time="t")
    np.testing.assert_array_equal(source.times, times)
    assert source.times.dtype == times.dtype
    assert source.ids.tolist() == [0]
    assert (source.id_name, source.time_name) == ("sequence", "t")


def test_times_with_a_zone_are_in_utc_and_text_is_parsed():
    index = pd.date_range("2020-01-01", periods=2, tz="Europe/Berlin")
    utc = ["2019-12-31T23:00", "2020-01-01T23:00"]
    assert read(pd.DataFrame({"t": index, "x": 1}), time="t").times.astype("M8[m]").astype(str).tolist() == utc
    assert read(pd.DataFrame({"t": utc, "x": 1}), time="t").times.astype("M8[m]").astype(str).tolist() == utc


def test_the_index_of_pandas_is_read_only_where_it_is_named():
    frame = pd.DataFrame({"x": [1, 2]}, index=pd.date_range("2020", periods=2, name="when"))
    assert read(frame).channel_names == ("x",)
    assert read(frame, time="when").times.astype("M8[D]").astype(str).tolist() == ["2020-01-01", "2020-01-02"]


def test_a_frame_without_ids_is_one_series():
    source = read(pl.DataFrame({"x": [1, 2, 3]}))
    assert_same(source.ragged, [[[1], [2], [3]]])
    assert (source.ids.tolist(), source.times, source.id_name, source.time_name) == ([0], None, "sequence", None)


@pytest.mark.parametrize("series", [pd.Series([1, 2], name="x"), pl.Series("x", [1, 2])])
def test_a_series_of_a_library_is_one_channel(series):
    source = read(series)
    assert_same(source.ragged, [[[1], [2]]])
    assert source.channel_names == ("x",)


def test_columns_of_every_numeric_type():
    table = pa.table(
        {
            "bool": pa.array([True, None]),
            "half": pa.array(np.array([1.5, 2.5], np.float16)),
            "uint": pa.array([1, 2], pa.uint64()),
            "decimal": pa.array([decimal.Decimal("1.25"), None]),
            "dictionary": pa.array([7, 7]).dictionary_encode(),
            "null": pa.nulls(2),
        }
    )
    ragged = read(table, missing="mask").ragged
    assert ragged.values.tolist() == [[1, 1.5, 1, 1.25, 7, 0], [0, 2.5, 2, 0, 7, 0]]
    assert ragged.observed.tolist() == [[True] * 5 + [False], [False, True, True, False, True, False]]


def test_channels_choose_and_order_columns():
    source = read(pa.table(COLUMNS), id="id", channels=["y", "t"])
    assert source.channel_names == ("y", "t")
    assert source.ragged[1].tolist() == [[4, 5], [2, 6]]
    assert read(pa.table(COLUMNS), channels="x").channel_names == ("x",)
    assert read(pd.DataFrame({0: [1], 1: [2]}), channels=[1]).ragged.values.tolist() == [[2]]


def test_wide_frames_are_cut_where_they_end():
    frame = pd.DataFrame({"name": ["u", "v", "v"], "0": [1, 2, 3], "1": [4, np.nan, 5], "2": [6, np.nan, np.nan]})
    source = read(frame, id="name", wide=True)
    assert_same(source.ragged, [[[1], [4], [6]], [[2]], [[3], [5]]])
    assert source.ids.tolist() == ["u", "v", "v"]
    assert source.channel_names == ("value",)
    assert source.id_name == "name"


def test_wide_arrays_are_cut_where_they_end():
    source = read(np.array([[1, np.nan], [2, 3]]), wide=True, channels=["volt"])
    assert_same(source.ragged, [[[1]], [[2], [3]]])
    assert source.channel_names == ("volt",)


def test_missing_values_are_masked_and_told_in_one_line():
    frame = pd.DataFrame({"id": list("aabb"), "x": [1.0, 2.0, np.nan, 4.0], "y": [np.nan, 2.0, 3.0, np.nan]})
    where = "3 of 8 values are missing, the first at id 'a', step 0, channel 'y': .*refuses it$"
    with pytest.warns(DataWarning, match=where) as told:
        source = read(frame, id="id")
    assert len(told) == 1
    np.testing.assert_array_equal(source.ragged.observed, frame[["x", "y"]].notna())
    np.testing.assert_array_equal(read(frame, id="id", missing="mask").ragged.observed, source.ragged.observed)


def test_a_missing_last_step_may_be_padding():
    padded = np.array([[[1.0], [2.0]], [[3.0], [np.nan]]])
    with pytest.warns(DataWarning, match="1 of 4 values is missing, the first at sequence 1, step 1.*from_padded"):
        assert read(padded).ragged.lengths.tolist() == [2, 2]


def test_a_hole_in_a_wide_row():
    table = pa.table({"0": [1, 2], "1": [None, 3], "2": [4, 5]})
    with pytest.raises(InvalidSequence, match="sequence 0, step 1, channel 0 is NaN"):
        read(table, wide=True, missing="error")
    assert read(table, wide=True, missing="mask").ragged.observed[:3, 0].tolist() == [True, False, True]


@pytest.mark.parametrize("X", [np.ones((2, 3, 1)), [np.ones((3, 1))] * 2, torch.ones(2, 3, 1), [torch.ones(3)] * 2])
def test_arrays(X):
    source = read(X)
    assert_same(source.ragged, [[[1]] * 3] * 2)
    assert source.ids.tolist() == [0, 1]
    assert source.times is None
    assert source.channel_names == ("channel_0",)


def test_ragged_and_source_pass_through():
    ragged = Ragged.from_any([[1.0]])
    source = read(ragged)
    assert source.ragged is ragged
    assert read(source) is source
    assert isinstance(source, Source)
    assert read(Ragged.from_tokens([[1, 2]])).channel_names == ("token",)


def test_a_list_of_frames_is_a_list_of_sequences():
    first, second = (
        pd.DataFrame({"t": [1, 2], "x": [1, 2], "y": [3, 4]}),
        pl.DataFrame({"y": [6.5], "x": [5], "t": [0]}),
    )
    source = read([first, second], time="t")
    assert_same(source.ragged, [[[1, 3], [2, 4]], [[5, 6.5]]])
    assert source.channel_names == ("x", "y")
    assert source.times.tolist() == [1, 2, 0]
    assert source.ids.tolist() == [0, 1]


ERROR = {"missing": "error"}
X1 = pd.DataFrame({"x": [1.0, 2.0]})
REFUSED_LISTS = {
    "a column missing": ([X1, X1.rename(columns={"x": "y"})], {}, "sequence 1 has no column 'x' as sequence 0 has"),
    "a column more": ([X1, X1.assign(y=1)], {}, "sequence 1 has a column 'y' that sequence 0 has not"),
    "no rows": ([X1, X1[:0]], {}, "sequence 1 has no steps"),
    "no frame": ([X1, np.ones((2, 1))], {}, "sequence 1 must be a data frame as sequence 0 is, got a ndarray"),
    "NaN": ([X1, X1, X1 * np.nan], ERROR, r"sequence 2, step 0, channel 'x' \(row 4\) is missing"),
    "types": ([X1, X1.astype(str)], {}, "columns differ in type"),
    "id": ([X1], {"id": "x"}, "each is one sequence; leave id= and wide= out"),
}


@pytest.mark.parametrize("name", REFUSED_LISTS)
def test_a_list_of_frames_that_differ_is_refused(name):
    X, arguments, message = REFUSED_LISTS[name]
    with pytest.raises((InvalidSequence, InvalidParameter), match=message):
        read(X, **arguments)


FRAME = pd.DataFrame({"id": ["a", "b", "a", "b"], "t": [1, 1, 2, 2], "x": [1.0, 2.0, 3.0, 4.0]})
LONG = {"id": "id", "time": "t"}
REFUSED = {
    "misspelt id": (FRAME, {"id": "idd"}, "there is no column 'idd'; did you mean 'id'"),
    "other case": (FRAME, {"id": "X"}, "there is no column 'X'; did you mean 'x'"),
    "no such channel": (FRAME, {"channels": ["q"]}, "there is no column 'q'; the columns are 'id', 't', 'x'"),
    "column named twice": (FRAME, {"id": "t", "time": "t"}, "column 't' is named twice"),
    "no channel asked for": (FRAME, {"channels": []}, "channels must name at least one column"),
    "no channel left": (FRAME[["id", "t"]], LONG, "no column is left to be a channel"),
    "wide with times": (FRAME, {"time": "t", "wide": True}, "drop time= or wide=True"),
    "missing": (FRAME, {"missing": "drop"}, "missing must be None, 'mask' or 'error', got 'drop'"),
    "duplicate time": (FRAME.assign(t=[1, 1, 2, 1]), LONG, "id 'b': t is 1 in both of rows 1 and 3; keep one row"),
    "unsorted": (FRAME[::-1], LONG, "id 'b': t falls from 2 to 1 in rows 0 and 2; sort the table by t$"),
    "unsorted dates": (
        FRAME.assign(t=pd.to_datetime(["2020-01-02", "2020-01-01", "2020-01-03", "2020-01-01"])),
        LONG,
        "id 'b': t is 2020-01-01T00:00:00.000000 in both of rows 1 and 3",
    ),
    "unsorted single series": (
        pa.table({"t": [1, 3, 2], "x": [1, 2, 3]}),
        {"time": "t"},
        "sequence 0: t falls from 3 to 2 in rows 1 and 2; sort the table by t; or pass id=",
    ),
    "no time": (FRAME.assign(t=[1, 2, None, 4]), LONG, "row 2 has no 't'; fill it in or drop the row"),
    "no id": (FRAME.assign(id=["a", None, "b", "b"]), LONG, "row 1 has no 'id'"),
    "NaN id": (pl.DataFrame({"id": [1.0, float("nan")], "x": [1, 2]}), {"id": "id"}, "row 1 has no 'id'"),
    "text as time": (FRAME.assign(t=list("wxyz")), LONG, "column 't', row 0 is 'w', which is no date"),
    "text": (FRAME, {}, "column 'id', row 0 is 'a', of type .*string; channels are numbers: pass it as id="),
    "one text": (FRAME.assign(x=["1", "2", "", "4"]), LONG, "column 'x', row 2 is ''"),
    "numbers as text": (FRAME.assign(x=list("1234")), LONG, "column 'x' holds .*string instead of numbers"),
    "dates": (FRAME.assign(x=pd.Timestamp("2020")), LONG, "column 'x', row 0 is 2020-01-01 00:00:00"),
    "lists": (pl.DataFrame({"x": [["a"], ["b"]]}), {}, r"column 'x' holds lists of .*string.* instead of numbers"),
    "null": (
        FRAME.assign(x=[1, 2, 3, None]),
        LONG | ERROR,
        r"id 'b', step 1, channel 'x' \(row 3\) is missing; fill it",
    ),
    "NaN": (pl.DataFrame({"x": [1.0, float("nan")]}), ERROR, r"step 1, channel 'x' \(row 1\) is NaN; fill it"),
    "infinity": (FRAME.assign(x=[1, 2, -np.inf, 4]), LONG, r"id 'a', step 1, channel 'x' \(row 2\) is -inf; replace"),
    "1e30": (FRAME.assign(x=[1, 2, 1e30, 4]), LONG, r"id 'a', step 1, channel 'x' \(row 2\) is 1e\+30; values may be"),
    "1e300": (FRAME.assign(x=[1, 2, 1e300, 4]), LONG, r"channel 'x' \(row 2\) is 1e\+300; values may be"),
    "same names": (pd.DataFrame([[1, 2]], columns=["a", "a"]), {}, "'a' 2 times"),
    "same names in Arrow": (pa.Table.from_arrays([pa.array([1])] * 2, ["a", "a"]), {}, "'a'"),
    "mixed types": (pd.DataFrame({"a": [1, "x"]}), {}, "the data frame cannot be read: .*column a"),
    "no rows": (FRAME[:0], {}, "the table has no rows"),
    "an empty wide row": (
        pl.DataFrame({"0": [1, None]}),
        {"wide": True},
        "sequence 1 holds only the padding value nan",
    ),
    "unnamed column": (FRAME.rename(columns={"x": ""}), LONG, "a column has no name"),
    "id for arrays": ([[1.0]], {"id": "a"}, "id='a' names a column, but X is list without named columns"),
    "names for arrays": ([[1.0]], {"channels": ["a", "b"]}, "channels names 2 channels, but the sequences have 1"),
    "wide for 3-D": (np.ones((1, 1, 1)), {"wide": True}, r"must be \(n_sequences, n_steps\), got shape \(1, 1, 1\)"),
    "a generator": ((x for x in [1]), {}, r"sequence 0 must be \(n_steps, n_channels\), got the single number 1"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_frames_are_named(name):
    X, arguments, message = REFUSED[name]
    with pytest.raises((InvalidSequence, InvalidParameter), match=message) as caught:
        read(X, **arguments)
    assert "\n" not in str(caught.value)


def test_missing_is_masked_on_request():
    ragged = read(FRAME.assign(x=[1, None, 3, np.nan]), id="id", time="t", missing="mask").ragged
    assert ragged.values.tolist() == [[1], [3], [0], [0]]
    assert ragged.observed.tolist() == [[True], [True], [False], [False]]
    assert read(FRAME, id="id", time="t", missing="mask").ragged.observed is None


def test_a_million_ids():
    n = 10**6
    source = read(pa.table({"id": np.arange(n)[::-1], "x": np.arange(n)}), id="id")
    assert source.ids[0] == n - 1
    assert source.ragged.lengths.sum() == n
    np.testing.assert_array_equal(source.ragged.values[:, 0], np.arange(n))


def test_one_sequence_of_many_steps():
    assert read(pa.table({"x": np.arange(100_000)})).ragged.lengths.tolist() == [100_000]


def test_reading_imports_no_data_frame_library_and_no_torch():
    code = (
        "import sys; import seqae.reading, seqae.sequences.ragged, seqae.storage.tables;"
        "print([name for name in ('torch', 'pandas', 'polars', 'pyarrow', 'narwhals') if name in sys.modules])"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.strip() == "[]"
