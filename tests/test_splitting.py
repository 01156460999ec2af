"""hold_out(): every sequence once, the same for the same key, and enough on either side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqae import SequenceAutoencoder, read
from seqae.sequences.ragged import back_to_back, hold_out, hold_out_apart


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


@given(
    lengths=st.lists(st.integers(5, 40), min_size=1, max_size=12),
    stride=st.integers(1, 8),
    fraction=st.floats(0.05, 0.6),
    seed=st.integers(0, 100),
)
def test_windows_that_share_a_step_are_never_on_both_sides(
    lengths: list[int], stride: int, fraction: float, seed: int
) -> None:
    windows = back_to_back(np.zeros((sum(lengths), 1), np.float32), np.array(lengths)).windows(5, stride)
    shuffled = windows[np.random.default_rng(seed).permutation(len(windows))]
    first, late = hold_out_apart(shuffled, fraction, (seed, 0))
    assert (np.diff(first) > 0).all()
    assert (np.diff(late) > 0).all()
    assert len(first)
    rows = [set(shuffled[part].step_indices().tolist()) for part in (first, late)]
    assert not rows[0] & rows[1]
    unused = np.setdiff1d(np.arange(len(shuffled)), np.concatenate([first, late]))
    for i in unused:  # only what shares a step with a held-out window is in neither part
        assert rows[1] & set(shuffled[[i]].step_indices().tolist())


def test_the_end_of_one_series_and_whole_ones_of_many_are_held_out() -> None:
    one = back_to_back(np.zeros((100, 1), np.float32), np.array([100])).windows(10, 5)  # 19 windows
    first, late = hold_out_apart(one, 0.2, (0, 0))
    np.testing.assert_array_equal(late, np.arange(15, 19))
    np.testing.assert_array_equal(first, np.arange(14))  # window 14 reaches into window 15
    many = back_to_back(np.zeros((200, 1), np.float32), np.full(10, 20)).windows(10, 5)  # 3 windows of each
    _, late = hold_out_apart(many, 0.2, (0, 0))
    assert np.bincount(late // 3, minlength=10).tolist().count(3) == 2
    apart = back_to_back(np.zeros((30, 1), np.float32), np.full(10, 3))
    np.testing.assert_array_equal(hold_out_apart(apart, 0.3, (4, 0))[1], hold_out(10, 0.3, (4, 0))[1])


def test_fit_holds_out_windows_that_it_did_not_train_on() -> None:
    windows = read([np.sin(np.arange(300) / 5)]).windows(20, 3)
    ae = SequenceAutoencoder("repeat", latent_size=2, hidden_size=3, max_epochs=1, random_state=0, verbose=False)
    held_out = ae.fit(windows).held_out_
    np.testing.assert_array_equal(held_out, np.arange(len(windows) - len(held_out), len(windows)))
