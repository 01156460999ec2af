"""Definitions of the functions for whole sequences, in NumPy; the native kernel has the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...sequences.ragged import Ragged, back_to_back, owners_of, step_numbers_of
from ..convolutions import KERNELS, N_TAPS, Convolutions

LOWEST_DEVIATION = 0.01
"""Least deviation of a standardised channel, in units of the scaled channel, so that noise is not amplified."""


def grid_read(sequences: Ragged, n_points: int) -> np.ndarray:
    """See seqae.recurrence.sequencewise.grid_read."""
    rows = sequences.step_indices()
    values = sequences.values[rows].astype(np.float64)
    observed = None if sequences.observed is None else sequences.observed[rows]
    return _add_to_points(sequences.lengths, n_points, values, observed, lambda w: (1 - w, w))


def grid_write(curves: np.ndarray, lengths: np.ndarray) -> Ragged:
    """See seqae.recurrence.sequencewise.grid_write."""
    owner, point, weight = _places(lengths, curves.shape[1])
    following = np.minimum(point + 1, curves.shape[1] - 1)
    values = (1 - weight)[:, None] * curves[owner, point] + weight[:, None] * curves[owner, following]
    return back_to_back(values.astype(np.float32), lengths)


def grid_gram(
    lengths: np.ndarray, starts: np.ndarray | None, observed: np.ndarray | None, n_points: int
) -> tuple[np.ndarray, np.ndarray]:
    """R'R of each sequence, of all steps, or by channel of the observed ones. observed: (n_rows, n_channels)."""
    if observed is not None and starts is not None:
        observed = observed[Ragged.view(observed, starts, lengths).step_indices()]
    n_channels = 1 if observed is None else observed.shape[1]
    ones = np.ones((int(lengths.sum()), n_channels))
    diagonal = _add_to_points(lengths, n_points, ones, observed, lambda w: ((1 - w) * (1 - w), w * w))
    beside = _add_to_points(lengths, n_points, ones, observed, lambda w: ((1 - w) * w, 0 * w))
    return diagonal, np.ascontiguousarray(beside[:, :-1])


def resample(sequences: Ragged, n_points: int) -> np.ndarray:
    """See seqae.recurrence.sequencewise.resample."""
    out = np.zeros((len(sequences), n_points, sequences.n_channels))
    for i, (values, observed) in enumerate(_parts(sequences)):
        if len(values):
            curve = _filled(values, observed).astype(np.float64)[None]
            _, point, weight = _places(np.array([n_points]), len(values))
            following = np.minimum(point + 1, len(values) - 1)
            out[i] = (1 - weight)[:, None] * curve[0, point] + weight[:, None] * curve[0, following]
    return out


def convolution_shares(sequences: Ragged, convolutions: Convolutions, biases: np.ndarray) -> np.ndarray:
    """See seqae.recurrence.sequencewise.convolution_shares."""
    shares = np.zeros((len(sequences), convolutions.n_features), np.float32)
    lengths = sequences.lengths
    ends = np.cumsum(lengths)
    for first, n_biases, output in _outputs(sequences, convolutions):
        for j in range(first, first + n_biases):
            counts = np.concatenate([[0], np.cumsum(output > biases[j])])
            shares[:, j] = (counts[ends] - counts[ends - lengths]) / np.maximum(lengths, 1)
    return shares


def convolution_quantiles(
    sequences: Ragged, convolutions: Convolutions, probabilities: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """See seqae.recurrence.sequencewise.convolution_quantiles. steps: (n,) int64, whose outputs count."""
    quantiles = np.zeros(convolutions.n_features, np.float32)
    for first, n_biases, output in _outputs(sequences, convolutions):
        places = (probabilities[first : first + n_biases] * (len(steps) - 1)).astype(np.int64)
        ordered = np.sort(output[steps])
        quantiles[first : first + n_biases] = ordered[places] + np.float32(0)  # one sign of zero
    return quantiles


def statistics(sequences: Ragged) -> np.ndarray:
    """See seqae.recurrence.sequencewise.statistics."""
    C = sequences.n_channels
    out = np.zeros((len(sequences), 6 * C + 1), np.float32)
    out[:, -1] = sequences.lengths
    for i, (values, observed) in enumerate(_parts(sequences)):
        for c in range(C):
            kept = values[:, c] if observed is None else values[observed[:, c], c]
            if len(kept):
                mean, deviation = _moments(kept)
                lowest, highest = kept.min() + np.float32(0), kept.max() + np.float32(0)  # one sign of zero
                out[i, c : 6 * C : C] = mean, deviation, lowest, highest, kept[0], kept[-1]
    return out


def affine(x: np.ndarray, matrix: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """See seqae.recurrence.sequencewise.affine."""
    out = np.tile(offset, (len(x), 1))
    for column, row in zip(x.T, matrix, strict=True):
        out += column[:, None] * row
    return out


def _places(lengths: np.ndarray, n_points: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each step: its sequence, the grid point before it, and its weight for the point after it.

    Step t of n lies at t (n_points - 1) / (n - 1); only the weight is rounded.
    """
    owner, step = owners_of(lengths), step_numbers_of(lengths)
    is_single = lengths[owner] == 1
    numerator = np.where(is_single, n_points - 1, step * (n_points - 1))
    denominator = np.where(is_single, 2, lengths[owner] - 1)
    point = np.minimum(numerator // denominator, max(n_points - 2, 0))
    return owner, point, (numerator - point * denominator) / denominator


def _add_to_points(
    lengths: np.ndarray,
    n_points: int,
    values: np.ndarray,
    observed: np.ndarray | None,
    factors: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
) -> np.ndarray:
    """Sums over observed steps, in order, of value times factor, for the grid points before and after each.

    values: (n_steps, n_channels) float64; factors: both, from the weight of the point after.
    Returns (n_sequences, n_points, n_channels).
    """
    owner, point, weight = _places(lengths, n_points)
    before = owner * n_points + point
    after = owner * n_points + np.minimum(point + 1, n_points - 1)
    # a point is first the end of one cell, then the start of the next
    index, factor = np.concatenate([after, before]), np.concatenate(factors(weight)[::-1])
    out = np.zeros((len(lengths) * n_points, values.shape[1]))
    for c in range(values.shape[1]):
        kept = np.s_[:] if observed is None else np.tile(observed[:, c], 2)
        out[:, c] = np.bincount(index[kept], (np.tile(values[:, c], 2) * factor)[kept], len(out))
    return out.reshape(len(lengths), n_points, values.shape[1])


def _parts(sequences: Ragged) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Values and their mask, (n_i, n_channels), of each sequence."""
    for start, length in zip(sequences.starts, sequences.lengths, strict=True):
        rows = slice(start, start + length)
        yield sequences.values[rows], None if sequences.observed is None else sequences.observed[rows]


def _filled(values: np.ndarray, observed: np.ndarray | None) -> np.ndarray:
    """The values, with missing ones interpolated in time. values, observed: (n, n_channels)."""
    if observed is None:
        return values
    n, step = len(values), np.arange(len(values))[:, None]
    last = np.maximum.accumulate(np.where(observed, step, -1), axis=0)  # observed at or before each step
    following = np.minimum.accumulate(np.where(observed, step, n)[::-1], axis=0)[::-1]
    left = np.take_along_axis(values, np.maximum(last, 0), axis=0)
    right = np.take_along_axis(values, np.minimum(following, n - 1), axis=0)
    weight = (step - last).astype(np.float32) / np.maximum(following - last, 1).astype(np.float32)
    between = left + weight * (right - left)
    at_start = np.where(following == n, np.float32(0), right)
    inside = np.where(following == n, left, between)
    return np.where(observed, values, np.where(last < 0, at_start, inside))


def _moments(values: np.ndarray) -> tuple[np.float64, np.float64]:
    """Mean and deviation of (n,) float32, n > 0, with sums in the order of the values."""
    values = values.astype(np.float64)
    mean = np.cumsum(values)[-1] / len(values)
    spread = np.cumsum((values - mean) ** 2)[-1]
    return mean, np.sqrt(spread / len(values))


def _standardised(filled: np.ndarray, values: np.ndarray, observed: np.ndarray | None) -> np.ndarray:
    """Each channel minus its mean, divided by its deviation, over observed values. All: (n, n_channels)."""
    out = filled.copy()
    for c in range(values.shape[1]):
        kept = values[:, c] if observed is None else values[observed[:, c], c]
        if len(kept):
            mean, deviation = _moments(kept)
            scale = np.maximum(np.float32(deviation), np.float32(LOWEST_DEVIATION))
            out[:, c] = (filled[:, c] - np.float32(mean)) / scale
    return out


def _outputs(sequences: Ragged, convolutions: Convolutions) -> Iterator[tuple[int, int, np.ndarray]]:
    """For each dilation and kernel: its first feature, its number of biases, and the outputs (n_steps,) float32."""
    parts = []
    for values, observed in _parts(sequences):
        filled = _filled(values, observed)
        parts.append(_standardised(filled, values, observed) if convolutions.is_standardised else filled)
    values = np.concatenate([*parts, np.zeros((0, sequences.n_channels), np.float32)])
    first = 0
    for dilation, channels, n_biases in zip(
        convolutions.dilations, convolutions.channels, convolutions.n_biases, strict=True
    ):
        rows = _tap_rows(sequences.lengths, int(dilation))
        for kernel, taps in enumerate(KERNELS):
            chosen = np.flatnonzero(channels[kernel])
            total = values[:, chosen[0]]
            for c in chosen[1:]:
                total = total + values[:, c]
            yield first, int(n_biases), _convolved(np.append(total, np.float32(0))[rows], taps)
            first += int(n_biases)


def _tap_rows(lengths: np.ndarray, dilation: int) -> np.ndarray:
    """The row of each tap of each step; the row after the last for taps outside the sequence. Returns (9, n_steps)."""
    own = np.repeat(lengths, lengths)
    row = np.arange(len(own))
    step = step_numbers_of(lengths)
    shifts = (np.arange(N_TAPS)[:, None] - N_TAPS // 2) * dilation
    is_inside = (step + shifts >= 0) & (step + shifts < own)
    return np.where(is_inside, row + shifts, len(own))


def _convolved(y: np.ndarray, taps: tuple[int, ...]) -> np.ndarray:
    """One kernel's output from its taps y, (9, n_steps) float32."""
    total = (((y[0] + y[1]) + (y[2] + y[3])) + ((y[4] + y[5]) + (y[6] + y[7]))) + y[8]
    a, b, c = (np.float32(3) * y[tap] for tap in taps)
    return (a + b) + (c - total)
