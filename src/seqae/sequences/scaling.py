"""Per-channel centre and scale, fitted in one pass over the data and saved with the model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .ragged import Ragged

CHUNK_STEPS = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Scaled values are (values - centre) / scale. centre, scale: (n_channels,) float32, in units of the channels."""

    centre: np.ndarray
    scale: np.ndarray

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Values in the units of the data. values: (..., n_channels) scaled."""
        return values * self.scale + self.centre


def identity_scaling(n_channels: int) -> Scaling:
    """The scaling that changes nothing."""
    return Scaling(np.zeros(n_channels, np.float32), np.ones(n_channels, np.float32))


def fit_scaling(sequences: Ragged) -> Scaling:
    """Mean and standard deviation of each channel over all observed steps.

    One pass with float64 sums, chunks merged as in Chan, Golub & LeVeque (1983). A channel that is constant, up to the
    rounding of float32, keeps scale 1.
    """
    n_channels = sequences.n_channels
    count, mean, spread = np.zeros(n_channels), np.zeros(n_channels), np.zeros(n_channels)
    for values, observed in _chunks(sequences):
        n = observed.sum(axis=0)
        chunk_mean = np.where(observed, values, 0).sum(axis=0) / np.maximum(n, 1)
        chunk_spread = (np.where(observed, values - chunk_mean, 0) ** 2).sum(axis=0)
        total = np.maximum(count + n, 1)
        shift = chunk_mean - mean
        spread += chunk_spread + shift**2 * (count * n / total)
        mean += shift * (n / total)
        count += n
    deviation = np.sqrt(spread / np.maximum(count, 1))
    is_constant = deviation <= 4 * np.finfo(np.float32).eps * np.abs(mean)
    scale = np.where(is_constant, 1.0, np.maximum(deviation, np.finfo(np.float32).tiny))
    return Scaling(mean.astype(np.float32), scale.astype(np.float32))


def _chunks(sequences: Ragged) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The steps of all sequences, some at a time: float64 values and what of them was observed."""
    for rows in _row_chunks(sequences):
        values = np.asarray(sequences.values[rows], np.float64)
        observed = np.ones(values.shape, bool) if sequences.observed is None else np.asarray(sequences.observed[rows])
        yield values, observed


def _row_chunks(sequences: Ragged) -> Iterator[slice | np.ndarray]:
    if sequences.is_compact():
        n_rows = len(sequences.values)
        yield from (slice(first, first + CHUNK_STEPS) for first in range(0, n_rows, CHUNK_STEPS))
        return
    ends = np.cumsum(sequences.lengths)
    for first in range(0, int(ends[-1]) if len(ends) else 0, CHUNK_STEPS):
        steps = np.arange(first, min(first + CHUNK_STEPS, int(ends[-1])))
        owner = np.searchsorted(ends, steps, side="right")
        yield sequences.starts[owner] + steps - (ends[owner] - sequences.lengths[owner])
