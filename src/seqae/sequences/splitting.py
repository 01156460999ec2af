"""Which sequences are held out: at random, by a seed, at least some on either side."""

from __future__ import annotations

import numpy as np


def hold_out(
    n_sequences: int, fraction: float, key: tuple[int, int], *, fewest: int = 1, fewest_left: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The sequences that are left to learn from, and those held out: two increasing index vectors.

    fraction: 0..1, of the sequences that are held out. key: a seed, and which draw from it this is; the same key and
    number of sequences always give the same split. fewest, fewest_left: how many there must be on either side;
    fewest_left goes first where there are not enough for both.
    """
    n_held_out = max(0, min(max(fewest, round(fraction * n_sequences)), n_sequences - fewest_left))
    shuffled = np.random.default_rng(key).permutation(n_sequences)
    return np.sort(shuffled[n_held_out:]), np.sort(shuffled[:n_held_out])
