"""Split sequences at random, by a seed, into training and held-out ones."""

from __future__ import annotations

import numpy as np


def hold_out(
    n_sequences: int, fraction: float, key: tuple[int, int], *, fewest: int = 1, fewest_left: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training sequences, and of the held-out ones: two increasing vectors.

    fraction: of the sequences to hold out, 0..1. key: a seed and the number of the draw; the same key and number of
    sequences always give the same split. fewest, fewest_left: least numbers of held-out and of training sequences;
    fewest_left has priority.
    """
    n_held_out = max(0, min(max(fewest, round(fraction * n_sequences)), n_sequences - fewest_left))
    shuffled = np.random.default_rng(key).permutation(n_sequences)
    return np.sort(shuffled[n_held_out:]), np.sort(shuffled[:n_held_out])
