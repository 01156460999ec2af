"""Ragged against lists of arrays and plain loops."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from seqae.errors import InvalidParameter, InvalidSequence
from seqae.sequences.ragged import Ragged, starts_of, windows

lengths_of_many = st.lists(st.integers(1, 12), min_size=1, max_size=12)
sides = st.sampled_from(["post", "pre"])


@st.composite
def sequences(draw):
    """A list of (n_i, n_channels) arrays in which zeros are frequent."""
    n_channels = draw(st.integers(1, 3))
    return [draw(hnp.arrays(np.float32, (n, n_channels), elements=st.integers(-3, 3))) for n in draw(lengths_of_many)]


def assert_same(ragged, expected):
    assert len(ragged) == len(expected)
    for actual, sequence in zip(ragged, expected, strict=True):
        np.testing.assert_array_equal(actual, sequence)


@given(sequences())
def test_from_any_keeps_every_sequence(X):
    ragged = Ragged.from_any(X)
    assert_same(ragged, X)
    assert ragged.n_steps == sum(map(len, X))
    assert ragged.n_channels == X[0].shape[1]
    assert ragged.is_compact()
    assert_same(Ragged.from_any([torch.from_numpy(x) for x in X]), X)
    assert_same(Ragged.from_any([x.tolist() for x in X]), X)


@given(hnp.arrays(np.float64, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5), elements=st.integers(-9, 9)))
def test_from_any_takes_a_block(block):
    assert_same(Ragged.from_any(block), list(block))
    assert_same(Ragged.from_any(np.asfortranarray(block)), list(block))
    assert_same(Ragged.from_any(block[::-1, ::-1]), list(block[::-1, ::-1]))


def test_a_float32_block_is_not_copied():
    block = np.ones((5, 4, 3), np.float32)
    assert np.shares_memory(Ragged.from_any(block).values, block)


def test_a_memory_map_stays_one(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((5, 4, 3), np.float32))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.shares_memory(Ragged.from_any(mapped).values, mapped)


def test_a_ragged_is_itself():
    ragged = Ragged.from_any([[1.0]])
    assert Ragged.from_any(ragged) is ragged


@given(sequences(), st.integers(1, 14), st.integers(1, 14))
def test_windows_share_memory_and_match_a_loop(X, length, stride):
    ragged = Ragged.from_any(X)
    cut = ragged.windows(length, stride)
    expected = []
    for x in X:
        firsts = list(range(0, len(x) - length + 1, stride))
        if firsts and firsts[-1] != len(x) - length:
            firsts.append(len(x) - length)
        expected += [x[first : first + length] for first in firsts]
    assert_same(cut, expected)
    assert cut.values is ragged.values
    assert all(np.shares_memory(window, ragged.values) for window in cut)


def test_windows_of_a_series_and_of_windows():
    series = np.arange(10, dtype=np.float32)
    cut = windows(series, 4, 3)
    assert [window[0, 0] for window in cut] == [0, 3, 6]
    assert np.shares_memory(cut.values, series)
    assert [window[0, 0] for window in cut[1:].windows(3)] == [3, 4, 6, 7]


@pytest.mark.parametrize(("length", "stride"), [(0, 1), (1, 0), (-1, 1), (1.5, 1), (True, 1), ("3", 1)])
def test_windows_need_whole_numbers(length, stride):
    with pytest.raises(InvalidParameter, match="must be a whole number of at least 1"):
        Ragged.from_any([[1.0, 2.0]]).windows(length, stride)


@given(sequences(), sides)
def test_padding_and_back_by_lengths(X, side):
    ragged = Ragged.from_any(X)
    padded, lengths = ragged.to_padded(side=side)
    for x, row in zip(X, padded, strict=True):
        n = len(row) - len(x)
        empty = np.zeros((n, x.shape[1]))
        np.testing.assert_array_equal(row, np.concatenate([x, empty] if side == "post" else [empty, x]))
    back = Ragged.from_padded(padded, lengths=lengths, side=side)
    assert_same(back, X)
    assert np.shares_memory(back.values, padded)


@given(sequences(), sides, st.sampled_from([0.0, -1.0, np.nan]))
def test_only_whole_padded_steps_at_the_named_side_are_cut(X, side, padding_value):
    padded, _ = Ragged.from_any(X).to_padded(padding_value=padding_value, side=side)
    expected = [_cut(row, padding_value, side) for row in padded]
    if all(len(x) for x in expected):
        assert_same(Ragged.from_padded(padded, padding_value=padding_value, side=side), expected)
    else:
        i = next(i for i, x in enumerate(expected) if not len(x))
        with pytest.raises(InvalidSequence, match=f"sequence {i} holds only the padding value"):
            Ragged.from_padded(padded, padding_value=padding_value, side=side)


def _cut(row, padding_value, side):
    row = list(row if side == "post" else row[::-1])
    while row and all(
        value == padding_value or (value != value and padding_value != padding_value) for value in row[-1]
    ):
        row.pop()
    return row if side == "post" else row[::-1]


def test_padding_may_be_anything_but_data_may_not():
    padded = np.array([[[1.0], [1e300]], [[2.0], [3.0]]])
    assert_same(Ragged.from_padded(padded, lengths=[1, 2]), [[[1]], [[2], [3]]])
    assert_same(Ragged.from_padded(padded, padding_value=1e300), [[[1]], [[2], [3]]])
    with pytest.raises(InvalidSequence, match="sequence 0, step 1, channel 0 is 1e"):
        Ragged.from_padded(padded, lengths=[2, 2])
    with pytest.raises(InvalidSequence, match="sequence 1, step 0, channel 0 is NaN"):
        Ragged.from_padded([[[9.0], [1.0]], [[np.nan], [3.0]]], padding_value=9.0, side="pre", missing="error")


def test_a_hole_in_padded_data_is_masked_on_request():
    padded = np.array([[[1.0], [np.nan], [2.0], [np.nan]]])
    ragged = Ragged.from_padded(padded, padding_value=np.nan, missing="mask")
    assert ragged.lengths.tolist() == [3]
    assert ragged.observed[:3, 0].tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, InvalidParameter, "exactly one of lengths"),
        ({"lengths": [1, 1], "padding_value": 0}, InvalidParameter, "exactly one of lengths"),
        ({"lengths": [1, 1], "side": "left"}, InvalidParameter, "side must be 'post' or 'pre', got 'left'"),
        ({"lengths": [1, 1], "missing": "drop"}, InvalidParameter, "missing must be 'mask' or 'error', got 'drop'"),
        ({"lengths": [1]}, InvalidSequence, "one per sequence"),
        ({"lengths": [1, 0]}, InvalidSequence, "sequence 1 has length 0; it must lie in 1..3"),
        ({"lengths": [4, 1]}, InvalidSequence, "sequence 0 has length 4; it must lie in 1..3"),
        ({"lengths": [1.5, 1]}, InvalidSequence, r"lengths\[0\] is 1.5"),
        ({"lengths": [-1, 1]}, InvalidSequence, r"lengths\[0\] is -1"),
    ],
)
def test_from_padded_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        Ragged.from_padded(np.ones((2, 3, 1)), **arguments)


@pytest.mark.parametrize("shape", [(2, 3), (0, 3, 1), (2, 0, 1), (2, 3, 0)])
def test_from_padded_needs_three_axes_that_are_not_empty(shape):
    with pytest.raises(InvalidSequence, match="a padded array must"):
        Ragged.from_padded(np.ones(shape), lengths=np.ones(shape[0], int))


@given(sequences(), st.data())
def test_slices_and_indices_choose_without_copying(X, data):
    ragged = Ragged.from_any(X)
    index = data.draw(st.lists(st.integers(-len(X), len(X) - 1), max_size=8))
    assert_same(ragged[index], [X[i] for i in index])
    assert_same(ragged[np.array(index, np.int64)], [X[i] for i in index])
    chosen = data.draw(st.slices(len(X)))
    assert_same(ragged[chosen], X[chosen])
    assert ragged[chosen].values is ragged.values
    is_long = np.array([len(x) > 3 for x in X])
    assert_same(ragged[is_long], [x for x in X if len(x) > 3])


@given(sequences(), st.data())
def test_compact_holds_the_same_sequences_back_to_back(X, data):
    index = data.draw(st.lists(st.integers(0, len(X) - 1), max_size=8))
    chosen = Ragged.from_any(X)[index]
    compact = chosen.compact()
    assert_same(compact, [X[i] for i in index])
    assert compact.is_compact()
    assert len(compact.values) == chosen.n_steps
    assert compact.compact() is compact


def test_compact_takes_observed_along():
    ragged = Ragged.from_any([[1.0, np.nan], [np.nan, 2.0, 3.0]], missing="mask")[[1, 0]].compact()
    assert ragged.observed[:, 0].tolist() == [False, True, True, True, False]


def test_tokens():
    ragged = Ragged.from_tokens([[3, 1], np.array([2], np.uint8)])
    assert ragged.is_tokens
    assert ragged.n_channels == 1
    assert ragged.values.dtype == np.int32
    assert_same(ragged, [[3, 1], [2]])
    padded, _ = ragged.to_padded(padding_value=-1)
    assert padded.tolist() == [[3, 1], [2, -1]]
    with pytest.raises(InvalidSequence, match="no sequences"):
        Ragged.from_tokens([])


@pytest.mark.parametrize(
    ("starts", "lengths", "message"),
    [
        ([0, 3], [3, 3], "sequence 1 starts at step 3 and has 3 steps, but values holds only 5 steps"),
        ([0], [6], "sequence 0 starts at step 0"),
        ([6], [0], "sequence 0 starts at step 6"),
        ([0], [1, 2], "vectors of one size"),
        ([-1], [1], r"starts\[0\] is -1"),
        ([2**62], [2**62], "sequence 0 starts"),
    ],
)
def test_sequences_must_lie_within_values(starts, lengths, message):
    with pytest.raises(InvalidSequence, match=message):
        Ragged(np.ones((5, 1), np.float32), starts, lengths)


def test_observed_must_have_the_shape_of_values():
    with pytest.raises(InvalidSequence, match="observed must have the shape of values"):
        Ragged(np.ones((5, 1), np.float32), [0], [5], np.ones(5, bool))


def test_sequences_without_steps_are_kept_where_they_are_made_on_purpose():
    ragged = Ragged.back_to_back(np.ones((2, 1), np.float32), np.array([0, 2, 0]))
    assert [len(x) for x in ragged] == [0, 2, 0]
    assert ragged.to_padded()[0].tolist() == [[[0], [0]], [[1], [1]], [[0], [0]]]
    assert starts_of(ragged.lengths).tolist() == [0, 0, 2]


def test_repr_says_what_it_is():
    assert repr(Ragged.from_any([[1.0], [1.0, 2.0]])) == "Ragged(2 sequences of 1..2 steps, 1 channels)"
    assert repr(Ragged.from_any([[1.0]])[:0]) == "Ragged(0 sequences of 0..0 steps, 1 channels)"
