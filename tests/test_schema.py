"""Channels go by name wherever both sides have names: in any order, beside others, never under another name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqae.errors import InvalidSequence
from seqae.reading import Schema, Source, read, take

SCHEMA = Schema(("a", "b", "c"))
ROWS = np.arange(12.0).reshape(4, 3)
FRAME = pd.DataFrame(ROWS, columns=["a", "b", "c"])


def as_list(frame: pd.DataFrame) -> list[pd.DataFrame]:
    return [frame]


def as_source(frame: pd.DataFrame) -> Source:
    return read(frame)


CONTAINERS = [lambda x: x, pl.from_pandas, pa.Table.from_pandas, as_list, as_source]


def values_of(X: object, schema: Schema = SCHEMA) -> np.ndarray:
    return np.asarray(take(X, schema).ragged[0])


@given(st.permutations(["a", "b", "c", "extra"]), st.sampled_from(CONTAINERS))
def test_any_order_and_other_columns_make_no_difference(order: list[str], container) -> None:
    frame = FRAME.assign(extra=7.0)[order]
    np.testing.assert_array_equal(values_of(container(frame)), ROWS)


@given(st.permutations(["a", "b", "c"]), st.sampled_from(["csv", "parquet", "jsonl"]))
def test_files_go_by_name_too(tmp_path_factory: pytest.TempPathFactory, order: list[str], kind: str) -> None:
    path = tmp_path_factory.mktemp("names") / f"x.{kind}"
    frame = FRAME.assign(note="text")[[*order, "note"]]
    if kind == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    else:
        getattr(frame, f"to_{kind}")(path, index=False)
    np.testing.assert_array_equal(values_of(path), ROWS)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_renamed_or_missing_channel_is_named(container, name: str) -> None:
    for frame in (FRAME.rename(columns={name: "other"}), FRAME.drop(columns=name)):
        with pytest.raises(InvalidSequence, match=f"there is no channel '{name}', which fit.. saw"):
            take(container(frame), SCHEMA)


def test_arrays_and_nameless_models_go_by_position() -> None:
    np.testing.assert_array_equal(values_of([ROWS]), ROWS)
    np.testing.assert_array_equal(values_of(FRAME, Schema(("channel_0", "channel_1", "channel_2"))), ROWS)
    with pytest.raises(InvalidSequence, match=r"must have 3 channels as fit.. saw, got 2"):
        take([ROWS[:, :2]], SCHEMA)


def test_what_is_missing_moves_with_its_channel() -> None:
    frame = FRAME.assign(a=[np.nan, 1, 2, 3])[["c", "a", "b"]]
    source = take(read(frame, missing="mask"), SCHEMA)
    assert source.ragged.observed[0].tolist() == [False, True, True]
    assert source.channel_names == SCHEMA.channel_names


def test_duplicates_matter_only_where_they_are_read() -> None:
    table = pa.table([pa.array([1.0, 2.0])] * 4, names=["a", "b", "c", ""]).append_column("", pa.array([1.0, 2.0]))
    assert take(table, SCHEMA).channel_names == SCHEMA.channel_names
    with pytest.raises(InvalidSequence, match="column '' occurs twice"):
        read(table)
    assert read(table, channels=["b"]).channel_names == ("b",)


def test_a_source_is_a_sequence_that_keeps_ids_times_and_what_is_missing(tmp_path: Path) -> None:
    table = pa.table({"id": list("aabbbc"), "t": [1, 2, 1, 2, 3, 1], "x": [1.0, None, 3, 4, 5, 6]})
    source = read(table, id="id", time="t", missing="mask")
    assert (len(source), source.shape) == (3, (3,))
    for index in (np.array([2, 0]), [2, 0], (np.array([2, 0]), ...)):
        chosen = source[index]
        assert chosen.ids.tolist() == ["c", "a"]
        rows = chosen.ragged.step_indices()
        assert chosen.times is not None
        assert chosen.times[rows].tolist() == [1, 1, 2]
        assert chosen.ragged.observed[rows, 0].tolist() == [True, True, False]
    assert source[1:].ids.tolist() == ["b", "c"]
    assert source[np.array([True, False, True])].ids.tolist() == ["a", "c"]
    assert [len(sequence) for sequence in source] == [2, 3, 1]
    assert len(source[[]]) == 0


def test_scikit_learn_splits_and_searches_sources() -> None:
    from sklearn.model_selection import GridSearchCV, train_test_split

    from seqae import SequenceAutoencoder

    table = pa.table({"id": np.repeat(np.arange(12), 4), "x": np.random.default_rng(0).normal(size=48)})
    source = read(table, id="id")
    training, test, labels, _ = train_test_split(source, source.ids, random_state=0)
    assert training.ids.tolist() == labels.tolist()
    assert sorted([*training.ids, *test.ids]) == list(range(12))
    model = SequenceAutoencoder(latent_size=2, hidden_size=4, max_epochs=1, random_state=0, verbose=False)
    search = GridSearchCV(model, {"latent_size": [1, 2]}, cv=2).fit(source)
    assert search.best_estimator_.channel_names_ == ("x",)
