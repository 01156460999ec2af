"""Per-channel centre and scale, fitted in one pass over the data and saved with the model.

Values keep their own precision until they are centred: a channel with a small spread and a large mean, such as a time
stamp or a counter, would lose its digits in float32. Its scaling is float64; that of ordinary data is float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .checks import advise_sequential, check_whole, mapping_of
from .ragged import Ragged, starts_of

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
        if offset is None:
            offset = values[0].copy() if observed is None else np.where(observed[0], values[0], 0.0)
        known = _known(values, observed, np.nan).T.copy()  # along a channel, where minima are found 7 times as fast
        low, high = np.fmin(low, np.fmin.reduce(known, axis=1)), np.fmax(high, np.fmax.reduce(known, axis=1))
        values = values - offset if is_float64 else values
        n = np.full(n_channels, len(values)) if observed is None else observed.sum(axis=0)
        chunk_mean = _known(values, observed, 0).sum(axis=0) / np.maximum(n, 1)
        chunk_spread = (_known(values - chunk_mean, observed, 0) ** 2).sum(axis=0)
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


def _chunks(sequences: Ragged) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """The steps of all sequences, some at a time: float64 values and their mask, None where all are observed."""
    mapping = mapping_of(sequences.values)
    advise_sequential(mapping)
    for rows in _row_chunks(sequences):
        check_whole(mapping)
        values = np.asarray(sequences.values[rows], np.float64)
        yield values, None if sequences.observed is None else np.asarray(sequences.observed[rows])


def _known(values: np.ndarray, observed: np.ndarray | None, other: float) -> np.ndarray:
    """The values, with another in place of those that are not observed."""
    return values if observed is None else np.where(observed, values, other)


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


MAX_FACTOR = 2
LEAST_UNIT = 0.1


@dataclass(frozen=True, slots=True)
class LengthUnits:
    """mean, unit, longest: of training, in steps. unit is 0 if all lengths were equal.

    The unit is the standard deviation, but at least a tenth of the mean: a sequence much shorter than nearly equal
    ones is no more than ten units away.
    """

    mean: float
    unit: float
    longest: float

    def of(self, lengths: np.ndarray) -> np.ndarray:
        """(min(length, twice the longest) - mean) / unit; zeros if all lengths were equal. Returns (n,) float64."""
        if self.unit == 0:
            return np.zeros(len(lengths))
        return (np.minimum(lengths, MAX_FACTOR * self.longest) - self.mean) / self.unit

    def to_array(self) -> np.ndarray:
        """(3,) float64."""
        return np.array([self.mean, self.unit, self.longest])

    @classmethod
    def from_array(cls, array: np.ndarray) -> LengthUnits:
        """What to_array() was called on."""
        return cls(*(float(value) for value in array))


def fit_length_units(lengths: np.ndarray) -> LengthUnits:
    """lengths: of training sequences, (n,), in steps."""
    mean, deviation = float(lengths.mean()), float(lengths.std())
    return LengthUnits(mean, max(deviation, LEAST_UNIT * mean) if deviation else 0.0, float(lengths.max()))


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
