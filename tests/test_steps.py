"""Index arithmetic and means of known values, against plain loops."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seqae.sequences.ragged import evenly_chosen, owner_of, owners_of, starts_of, step_numbers_of
from seqae.sequences.scaling import known_mean

from .conftest import make_ragged

lengths_of_some = st.lists(st.integers(0, 6), min_size=1, max_size=8).map(lambda n: np.array(n, np.int64))
lengths_of_full = st.lists(st.integers(1, 6), min_size=1, max_size=8).map(lambda n: np.array(n, np.int64))


@given(lengths_of_some)
def test_every_step_knows_its_sequence_and_its_number(lengths: np.ndarray) -> None:
    expected = [(i, k) for i, n in enumerate(lengths) for k in range(n)]
    assert list(zip(owners_of(lengths), step_numbers_of(lengths), strict=True)) == expected
    assert starts_of(lengths).tolist() == [sum(lengths[:i]) for i in range(len(lengths))]


@given(lengths_of_full)
def test_a_row_has_one_owner(lengths: np.ndarray) -> None:
    expected = [(i, k) for i, n in enumerate(lengths) for k in range(n)]
    assert [owner_of(row, lengths) for row in range(int(lengths.sum()))] == expected


def test_ragged_tells_the_same_of_windows() -> None:
    windows = make_ragged([5, 7], 1).windows(3, 2)
    assert windows.owners().tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    assert windows.step_numbers().tolist() == [0, 1, 2] * 5


@given(lengths_of_full, st.integers(0, 5))
def test_the_known_mean_leaves_nan_out(lengths: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(int(lengths.sum()), 2))
    values[rng.random(values.shape) < 0.4] = np.nan
    means = known_mean(values, lengths)
    for i, part in enumerate(np.split(values, np.cumsum(lengths)[:-1])):
        for column in range(2):
            known = [value for value in part[:, column] if not math.isnan(value)]
            expected = math.fsum(known) / len(known) if known else math.nan
            np.testing.assert_allclose(means[i, column], expected, rtol=1e-12)
    np.testing.assert_array_equal(known_mean(values[:, 0], lengths), means[:, 0])


@given(st.integers(0, 200), st.integers(2, 50))
def test_evenly_chosen_spans_from_first_to_last(n: int, most: int) -> None:
    chosen = evenly_chosen(n, most)
    assert len(chosen) == min(n, most) == len(set(chosen.tolist()))
    if n > most:
        assert (chosen[0], chosen[-1]) == (0, n - 1)
        gaps = np.diff(chosen)
        assert gaps.max() - gaps.min() <= 1
