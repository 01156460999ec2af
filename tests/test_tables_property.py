"""One table, its rows mixed, in whatever types and container: the same vectors, or an error that names the cause."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqae import SequenceAutoencoder, read
from seqae.errors import DataWarning, SeqaeError

CHANNELS = ("heart rate", "x", "y.1")


def table_of(lengths: list[int], seed: int) -> pd.DataFrame:
    """A long table of sequences s0, s1, ..., with whole seconds and values of a few digits."""
    random = np.random.default_rng(seed)
    frames = []
    for k, n in enumerate(lengths):
        columns: dict[str, Any] = {"who": f"s{k}", "second": np.arange(n) * 2 + k}
        columns |= {name: random.integers(-999, 1000, n) / 8 for name in CHANNELS}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def model() -> SequenceAutoencoder:
    source = read(table_of([9, 7, 12, 8, 5, 11], seed=0), id="who", time="second")
    return SequenceAutoencoder("linear", latent_size=8, random_state=0, verbose=False).fit(source)


def as_csv(frame: pd.DataFrame) -> io.StringIO:
    return io.StringIO(frame.to_csv(index=False))


def as_semicolons(frame: pd.DataFrame) -> io.StringIO:
    return io.StringIO(frame.to_csv(index=False, sep=";", decimal=","))


def as_parquet(frame: pd.DataFrame) -> io.BytesIO:
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink)
    return io.BytesIO(sink.getvalue())


def as_json_lines(frame: pd.DataFrame) -> io.StringIO:
    return io.StringIO(frame.to_json(orient="records", lines=True))


CONTAINERS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "pandas, rows numbered anyhow": lambda frame: frame.set_axis(np.arange(len(frame))[::-1] * 3),
    "polars": lambda frame: pl.from_pandas(frame),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "pyarrow in chunks": lambda frame: pa.concat_tables(
        [pa.Table.from_pandas(part, preserve_index=False) for part in (frame[:3], frame[3:]) if len(part)]
    ),
    "a CSV file": as_csv,
    "a CSV file with decimal commas": as_semicolons,
    "a Parquet file": as_parquet,
    "JSON Lines": as_json_lines,
}
TYPES = {"float64": np.float64, "float32": np.float32, "as they are": None}
IDS: dict[str, Callable[[pd.Series], Any]] = {
    "text": lambda ids: ids,
    "categories": lambda ids: ids.astype("category"),
    "numbers": lambda ids: ids.str[1:].astype(np.int16),
}


def interleaved(lengths: list[int], random: np.random.Generator) -> np.ndarray:
    """The rows in an order that mixes the sequences, each of which stays in the order of time."""
    order = np.empty(sum(lengths), np.int64)
    order[np.argsort(random.permutation(np.repeat(np.arange(len(lengths)), lengths)), kind="stable")] = np.arange(
        len(order)
    )
    return order


def vectors_by_id(model: SequenceAutoencoder, X: Any) -> dict[str, np.ndarray]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of columns that are passed over
        source = read(X, id="who", time="second", channels=CHANNELS)
    vectors = model.transform(source)
    return {str(one): vector for one, vector in zip(source.ids.tolist(), vectors, strict=True)}


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 8), min_size=1, max_size=5),
    seed=st.integers(0, 2**16),
    container=st.sampled_from(sorted(CONTAINERS)),
    dtype=st.sampled_from(sorted(TYPES)),
    ids=st.sampled_from(sorted(IDS)),
    has_others=st.booleans(),
)
def test_the_same_table_gives_the_same_vectors(
    model: SequenceAutoencoder, lengths: list[int], seed: int, container: str, dtype: str, ids: str, has_others: bool
) -> None:
    table, random = table_of(lengths, seed), np.random.default_rng(seed)
    arrays = [part[list(CHANNELS)].to_numpy() for _, part in table.groupby("who", sort=False)]
    expected = model.transform(arrays)
    changed = table.copy()
    if TYPES[dtype] is not None:
        changed[list(CHANNELS)] = changed[list(CHANNELS)].astype(TYPES[dtype])
    changed["who"] = IDS[ids](changed["who"])
    if has_others:
        changed["note"] = "a word"
        changed["spare"] = random.normal(size=len(changed))
    changed = changed.iloc[interleaved(lengths, random)].reset_index(drop=True)
    changed = changed[random.permutation(changed.columns)]
    found = vectors_by_id(model, CONTAINERS[container](changed))
    assert len(found) == len(lengths)
    for k in range(len(lengths)):
        np.testing.assert_array_equal(found[f"s{k}" if ids != "numbers" else str(k)], expected[k])


FAULTS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "a channel is not there": (lambda frame: frame.drop(columns="x"), "x"),
    "a channel has another name": (lambda frame: frame.rename(columns={"x": "X2"}), "x"),
    "no ids": (lambda frame: frame.drop(columns="who"), "who"),
    "no times": (lambda frame: frame.drop(columns="second"), "second"),
    "times fall": (lambda frame: frame[::-1].reset_index(drop=True), "second"),
    "a time comes twice": (lambda frame: pd.concat([frame, frame[-1:]], ignore_index=True), "second"),
    "text in a channel": (lambda frame: frame.astype({"x": object}).assign(x="many"), "x"),
}


@settings(max_examples=40)
@given(
    lengths=st.lists(st.integers(2, 6), min_size=1, max_size=4),
    container=st.sampled_from(sorted(CONTAINERS)),
    fault=st.sampled_from(sorted(FAULTS)),
)
def test_what_is_wrong_with_a_table_is_named(
    model: SequenceAutoencoder, lengths: list[int], container: str, fault: str
) -> None:
    spoil, named = FAULTS[fault]
    with pytest.raises(SeqaeError) as told:
        vectors_by_id(model, CONTAINERS[container](spoil(table_of(lengths, seed=1))))
    message = str(told.value)
    assert named in message
    assert "\n" not in message
