"""Per-channel centre and scale, fitted in one pass over the data and saved with the model.

Values keep their own precision until they are centred: a channel with a small spread and a large mean, such as a time
stamp or a counter, would lose its digits in float32. Its scaling is float64; that of ordinary data is float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .maps import advise_sequential, check_whole, mapping_of
from .ragged import Ragged

CHUNK_STEPS = 1 << 16
ENOUGH = 2.0**13
"""Least number of float32 steps within a standard deviation: enough digits for a model."""
TINY = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """Scaled values are (values - centre) / scale.

    centre, scale: (n_channels,), in units of the channels; float32, or float64 where values are centred in float64.
    """

    centre: np.ndarray
    scale: np.ndarray

    @property
    def is_exact(self) -> bool:
        """Whether values are centred in float64."""
        return self.centre.dtype == np.float64

    def forward(self, values: np.ndarray) -> np.ndarray:
        """Scaled values, float32. values: (..., n_channels) in the units of the data."""
        values = np.asarray(values, self.centre.dtype)
        return np.asarray((values - self.centre) / self.scale, np.float32)

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Values in the units of the data, of the dtype of the scaling. values: (..., n_channels) scaled."""
        return values * self.scale + self.centre


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """Statistics of the observed values of each channel. All (n_channels,) float64; zeros if nothing was observed.

    epsilon: the relative precision of the values' original type.
    """

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    epsilon: float

    @property
    def is_constant(self) -> np.ndarray:
        """Channels that do not vary, up to rounding in their original type. (n_channels,) bool."""
        if self.epsilon > np.finfo(np.float64).eps:
            return self.deviation <= 4 * self.epsilon * np.abs(self.mean)
        return self.high - self.low <= 4 * self.epsilon * np.maximum(np.abs(self.low), np.abs(self.high))

    @property
    def needs_float64(self) -> np.ndarray:
        """Channels that would lose digits in float32 before centring. (n_channels,) bool."""
        if self.epsilon > np.finfo(np.float64).eps:
            return np.zeros(len(self.mean), bool)
        step = np.spacing(np.abs(self.mean).astype(np.float32)).astype(np.float64)
        is_coarse = self.deviation < ENOUGH * np.maximum(step, 2 * TINY / ENOUGH)
        return is_coarse & ~self.is_constant


def identity_scaling(n_channels: int) -> Scaling:
    """The scaling that changes nothing."""
    return Scaling(np.zeros(n_channels, np.float32), np.ones(n_channels, np.float32))


def fit_scaling(sequences: Ragged) -> Scaling:
    """Mean and standard deviation of each channel over all observed steps; a constant channel keeps scale 1."""
    spread = spread_of(sequences)
    dtype = np.float64 if spread.needs_float64.any() else np.float32
    least = 0.0 if dtype is np.float64 else TINY
    scale = np.where(spread.is_constant, 1.0, np.maximum(spread.deviation, least))
    return Scaling(spread.mean.astype(dtype), scale.astype(dtype))


def at_needed_precision(sequences: Ragged, spread: Spread) -> Ragged:
    """The same sequences in float32, unless a channel needs float64. spread: of these sequences."""
    return sequences if spread.needs_float64.any() else in_float32(sequences)


def in_float32(sequences: Ragged) -> Ragged:
    """The same sequences with float64 values rounded to float32."""
    if sequences.values.dtype != np.float64:
        return sequences
    with np.errstate(over="ignore"):  # values between sequences may be anything
        values = np.asarray(sequences.values).astype(np.float32)
    return Ragged.view(values, sequences.starts, sequences.lengths, sequences.observed)


def spread_of(sequences: Ragged) -> Spread:
    """One pass with float64 sums, chunks merged as in Chan, Golub & LeVeque (1983).

    float64 values are summed as differences from the first one, so that a small spread with a large mean is exact.
    """
    n_channels = sequences.n_channels
    is_float64 = sequences.values.dtype == np.float64
    count, mean, spread = np.zeros(n_channels), np.zeros(n_channels), np.zeros(n_channels)
    low, high = np.full(n_channels, np.inf), np.full(n_channels, -np.inf)
    offset = None if is_float64 else np.zeros(n_channels)
    for values, observed in _chunks(sequences):
        offset = np.where(observed[0], values[0], 0.0) if offset is None else offset
        low = np.minimum(low, np.where(observed, values, np.inf).min(axis=0))
        high = np.maximum(high, np.where(observed, values, -np.inf).max(axis=0))
        values = values - offset if is_float64 else values
        n = observed.sum(axis=0)
        chunk_mean = np.where(observed, values, 0).sum(axis=0) / np.maximum(n, 1)
        chunk_spread = (np.where(observed, values - chunk_mean, 0) ** 2).sum(axis=0)
        total = np.maximum(count + n, 1)
        shift = chunk_mean - mean
        spread += chunk_spread + shift**2 * (count * n / total)
        mean += shift * (n / total)
        count += n
    is_known = count > 0
    epsilon = float(np.finfo(np.float64 if is_float64 else np.float32).eps)
    deviation = np.sqrt(spread / np.maximum(count, 1))
    mean = mean if offset is None else mean + offset
    return Spread(np.where(is_known, low, 0.0), np.where(is_known, high, 0.0), mean, deviation, epsilon)


def _chunks(sequences: Ragged) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The steps of all sequences, some at a time: float64 values and their mask."""
    mapping = mapping_of(sequences.values)
    advise_sequential(mapping)
    for rows in _row_chunks(sequences):
        check_whole(mapping)
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
