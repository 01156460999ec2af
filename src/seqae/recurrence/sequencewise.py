"""The part of the kernel boundary for whole sequences, without a recurrence, on NumPy arrays.

All functions read float32 sequences wherever they lie in memory. What a sequence gives has the same bits alone and in
company, for any number of threads, and on every kernel, the reference included (but for affine()): sums have one fixed
order.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..sequences.ragged import Ragged
from .convolutions import KERNELS, N_KERNELS, N_TAPS, Convolutions
from .native import sequencewise as native
from .native.operations import active_kernel
from .reference import sequencewise as reference

__all__ = [
    "KERNELS",
    "N_KERNELS",
    "N_TAPS",
    "Convolutions",
    "affine",
    "convolution_quantiles",
    "convolution_shares",
    "grid_gram",
    "grid_read",
    "grid_write",
    "observed_gram",
    "resample",
    "statistics",
]

MOST_OUTPUTS = 1 << 14
"""The most outputs that a quantile is computed from; of more, this many at equal distances."""


def grid_read(sequences: Ragged, n_points: int) -> np.ndarray:
    """R'x of each sequence: for each grid point, the weighted sum of the steps near it.

    R (n, n_points) reads a curve on a grid of relative time, first point at the first step and last at the last,
    at the n steps of the sequence, by linear interpolation; at the middle where n is 1. A missing value
    has weight 0: its row is left out of R, for its channel only (see observed_gram).
    Returns (n_sequences, n_points, n_channels) float64, sums over the steps in their order.
    """
    return _backend().grid_read(_checked(sequences), _checked_points(n_points))


def grid_write(curves: np.ndarray, lengths: np.ndarray) -> Ragged:
    """R c of each curve: its values at lengths[i] steps, with R as in grid_read.

    curves: (n_sequences, n_points, n_channels) float64; lengths: (n_sequences,). Interpolates in float64.
    Returns the sequences back to back, float32.
    """
    curves, lengths = np.ascontiguousarray(curves, np.float64), _checked_lengths(lengths)
    if curves.ndim != 3 or len(curves) != len(lengths) or curves.shape[1] < 1:
        raise InvalidParameter(
            f"curves must be ({len(lengths)}, n_points, n_channels), one for each length, got {curves.shape}"
        )
    return _backend().grid_write(curves, lengths)


def grid_gram(lengths: np.ndarray, n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """R'R of each length, a tridiagonal matrix, with R as in grid_read.

    Returns diagonals (n_lengths, n_points) and off-diagonals (n_lengths, n_points - 1), float64.
    """
    diagonal, beside = _backend().grid_gram(_checked_lengths(lengths), None, None, _checked_points(n_points))
    return diagonal[:, :, 0], beside[:, :, 0]


def observed_gram(sequences: Ragged, n_points: int) -> tuple[np.ndarray, np.ndarray]:
    """R'R of each sequence and channel, over the rows of R whose value was observed.

    Returns (n_sequences, n_points, n_channels) and (n_sequences, n_points - 1, n_channels) float64, as grid_gram does.
    """
    sequences = _checked(sequences)
    observed = np.ones(sequences.values.shape, bool) if sequences.observed is None else sequences.observed
    return _backend().grid_gram(sequences.lengths, sequences.starts, observed, _checked_points(n_points))


def resample(sequences: Ragged, n_points: int) -> np.ndarray:
    """Each sequence at n_points equally spaced times from its first step to its last, by linear interpolation.

    Missing values are first filled in from their neighbours in time, as in convolution_shares. One point lies in the
    middle. Returns (n_sequences, n_points, n_channels) float64; zeros for a sequence without steps.
    """
    return _backend().resample(_checked(sequences), _checked_points(n_points))


def convolution_shares(sequences: Ragged, convolutions: Convolutions, biases: np.ndarray) -> np.ndarray:
    """The share of steps at which a convolution's output lies above a bias (PPV of MiniRocket).

    With y the sum of a kernel's channels, 0 outside of the sequence, and y_k its tap k, y(t + (k - 4) dilation):
    S = (((y_0 + y_1) + (y_2 + y_3)) + ((y_4 + y_5) + (y_6 + y_7))) + y_8; output = (3 y_a + 3 y_b) + (3 y_c - S), with
    a, b, c the kernel's three taps. All in float32, each operation rounded; channels are summed in ascending order.
    A missing value is interpolated linearly between the observed ones before and after it, or is the nearest one at
    an end; a channel that was not observed at all is 0.
    biases: (n_features,) float32. Returns (n_sequences, n_features) float32; 0 for a sequence without steps.
    """
    sequences = _checked(sequences, convolutions)
    biases = np.ascontiguousarray(biases, np.float32)
    _check_features("biases", biases, convolutions)
    return _backend().convolution_shares(sequences, convolutions, biases)


def convolution_quantiles(sequences: Ragged, convolutions: Convolutions, probabilities: np.ndarray) -> np.ndarray:
    """Quantiles of the outputs at all steps of all sequences, from which to take biases.

    Of more than 16,384 outputs, 16,384 at equal distances are used. The quantile of n sorted outputs is the one at
    place floor(p (n - 1)). Outputs are those of convolution_shares.
    probabilities: (n_features,), in 0..1. Returns (n_features,) float32; zeros where there is no step.
    """
    sequences = _checked(sequences, convolutions)
    probabilities = np.ascontiguousarray(probabilities, np.float64)
    _check_features("probabilities", probabilities, convolutions)
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise InvalidParameter("probabilities must lie in 0..1")
    n = min(sequences.n_steps, MOST_OUTPUTS)
    if n == 0:
        return np.zeros(convolutions.n_features, np.float32)
    steps = np.arange(n) * sequences.n_steps // n
    return _backend().convolution_quantiles(sequences, convolutions, probabilities, steps)


def statistics(sequences: Ragged) -> np.ndarray:
    """Mean, deviation, minimum, maximum, first and last value of each channel, and the length.

    Of observed values; all 0 for a channel without any. Sums in float64, in the order of the steps; the mean is
    subtracted before squaring.
    Returns (n_sequences, 6 * n_channels + 1) float32: means of all channels, then deviations, and so on.
    """
    return _backend().statistics(_checked(sequences))


def affine(x: np.ndarray, matrix: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """x matrix + offset. The bits of a row depend on that row, matrix and offset alone.

    Sums start with the offset and go through the inputs in their order. Instruction sets that have one use a fused
    multiply-add, rounded once; scalar and reference round twice.
    x: (n, n_inputs); matrix: (n_inputs, n_outputs); offset: (n_outputs,), all float32 or all float64.
    Returns (n, n_outputs) of that type.
    """
    dtype = np.result_type(x, matrix, offset)
    if dtype not in (np.float32, np.float64) or x.shape[1:] != matrix.shape[:1] or offset.shape != matrix.shape[1:]:
        raise InvalidParameter(
            "x, matrix and offset must be (n, k), (k, m) and (m,), float32 or float64, "
            f"got {x.shape}, {matrix.shape} and {offset.shape}, {dtype}"
        )
    x, matrix, offset = (np.ascontiguousarray(part, dtype) for part in (x, matrix, offset))
    return _backend().affine(x, matrix, offset)


class _Backend(Protocol):
    """What both backends compute, of arguments that were checked."""

    def grid_read(self, sequences: Ragged, n_points: int) -> np.ndarray: ...
    def grid_write(self, curves: np.ndarray, lengths: np.ndarray) -> Ragged: ...
    def grid_gram(
        self, lengths: np.ndarray, starts: np.ndarray | None, observed: np.ndarray | None, n_points: int
    ) -> tuple[np.ndarray, np.ndarray]: ...
    def resample(self, sequences: Ragged, n_points: int) -> np.ndarray: ...
    def convolution_shares(self, sequences: Ragged, convolutions: Convolutions, biases: np.ndarray) -> np.ndarray: ...
    def convolution_quantiles(
        self, sequences: Ragged, convolutions: Convolutions, probabilities: np.ndarray, steps: np.ndarray
    ) -> np.ndarray: ...
    def statistics(self, sequences: Ragged) -> np.ndarray: ...
    def affine(self, x: np.ndarray, matrix: np.ndarray, offset: np.ndarray) -> np.ndarray: ...


def _backend() -> _Backend:
    return reference if active_kernel() == "reference" else native


def _checked(sequences: Ragged, convolutions: Convolutions | None = None) -> Ragged:
    """The sequences with contiguous float32 values. Raises InvalidSequence for another number of channels."""
    values = np.ascontiguousarray(sequences.values, np.float32)
    if values.ndim != 2:
        raise InvalidSequence(f"sequences must have values of shape (n_steps, n_channels), got {values.shape}")
    if convolutions is not None and convolutions.n_channels != values.shape[1]:
        raise InvalidSequence(
            f"sequences must have {convolutions.n_channels} channels, as the convolutions do, got {values.shape[1]}"
        )
    observed = None if sequences.observed is None else np.ascontiguousarray(sequences.observed, bool)
    starts, lengths = (np.ascontiguousarray(part, np.int64) for part in (sequences.starts, sequences.lengths))
    return Ragged.view(values, starts, lengths, observed)


def _checked_lengths(lengths: np.ndarray) -> np.ndarray:
    lengths = np.ascontiguousarray(lengths, np.int64)
    if lengths.ndim != 1 or (lengths < 0).any():
        raise InvalidParameter(f"lengths must be a vector of numbers of at least 0, got {lengths}")
    return lengths


def _checked_points(n_points: int) -> int:
    if n_points < 1:
        raise InvalidParameter(f"n_points must be at least 1, got {n_points}")
    return int(n_points)


def _check_features(name: str, values: np.ndarray, convolutions: Convolutions) -> None:
    if values.shape != (convolutions.n_features,):
        raise InvalidParameter(f"{name} must have shape ({convolutions.n_features},), got {values.shape}")
