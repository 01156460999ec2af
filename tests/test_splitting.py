"""hold_out(): every sequence once, the same for the same key, and enough on either side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqae.sequences.ragged import hold_out


@given(
    n=st.integers(0, 60),
    fraction=st.floats(0, 0.99),
    seed=st.integers(0, 2**32 - 1),
    fewest=st.integers(0, 3),
    fewest_left=st.integers(0, 5),
)
def test_every_sequence_is_on_one_side(n: int, fraction: float, seed: int, fewest: int, fewest_left: int) -> None:
    left, held_out = hold_out(n, fraction, (seed, 1), fewest=fewest, fewest_left=fewest_left)
    assert sorted([*left, *held_out]) == list(range(n))
    assert sorted(left) == list(left)
    assert sorted(held_out) == list(held_out)
    assert len(left) >= min(n, fewest_left)
    if n >= fewest + fewest_left:
        assert fewest <= len(held_out)
        assert len(held_out) in (fewest, n - fewest_left, round(fraction * n))


def test_the_split_is_the_first_of_a_seeded_shuffle() -> None:
    shuffled = np.random.default_rng([7, 0]).permutation(30)
    left, held_out = hold_out(30, 0.1, (7, 0))
    assert list(held_out) == sorted(shuffled[:3])
    assert list(left) == sorted(shuffled[3:])


@pytest.mark.parametrize("key", [(7, 1), (8, 0)])
def test_another_key_is_another_split(key: tuple[int, int]) -> None:
    assert not np.array_equal(hold_out(30, 0.5, key)[1], hold_out(30, 0.5, (7, 0))[1])
