"""Indices of steps of back-to-back sequences, from their lengths; sums and means of known values."""

from __future__ import annotations

import numpy as np


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """Where each sequence starts. lengths, result: (n_sequences,) int64."""
    ends = np.cumsum(lengths)
    return ends - lengths


def owners_of(lengths: np.ndarray) -> np.ndarray:
    """The sequence that each step belongs to. lengths: (n_sequences,). Returns (n_steps,) int64."""
    return np.repeat(np.arange(len(lengths)), lengths)


def step_numbers_of(lengths: np.ndarray) -> np.ndarray:
    """The number of each step within its sequence, from 0. lengths: (n_sequences,). Returns (n_steps,) int64."""
    return np.arange(int(lengths.sum())) - np.repeat(starts_of(lengths), lengths)


def owner_of(row: int, lengths: np.ndarray) -> tuple[int, int]:
    """The sequence of a row, and the number of its step. lengths: (n_sequences,), all at least 1."""
    ends = np.cumsum(lengths)
    i = int(np.searchsorted(ends, row, side="right"))
    return i, int(row - (ends[i] - lengths[i]))


def divided(sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """sums / counts in float64; NaN where the count is 0. Both have one shape."""
    return np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)


def known_mean(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Mean of the values that are not NaN, for each sequence and column; NaN if there are none.

    values: (n_steps,) or (n_steps, n_columns), back to back; lengths: (n_sequences,), all at least 1.
    Returns (n_sequences,) or (n_sequences, n_columns) float64.
    """
    return divided(*known_sums(values, lengths))


def known_sums(values: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum and count of the values that are not NaN, shaped as in known_mean(). float64 and int64."""
    values = np.asarray(values, np.float64)
    is_known, starts = ~np.isnan(values), starts_of(lengths)
    sums = np.add.reduceat(np.where(is_known, values, 0.0), starts)
    return sums, np.add.reduceat(is_known, starts, dtype=np.int64)


def evenly_chosen(n: int, most: int) -> np.ndarray:
    """At most so many of the indices 0..n-1, evenly spaced from first to last. Returns (min(n, most),) int64."""
    return np.unique(np.linspace(0, n - 1, most).astype(np.int64)) if n else np.zeros(0, np.int64)


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
