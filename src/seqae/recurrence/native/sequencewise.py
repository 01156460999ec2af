"""The compiled kernel behind the functions of seqae.recurrence.sequencewise."""

from __future__ import annotations

import numpy as np

from ...sequences.ragged import Ragged, back_to_back
from ..convolutions import Convolutions
from .operations import extension, n_kernel_threads


def grid_read(sequences: Ragged, n_points: int) -> np.ndarray:
    """See seqae.recurrence.sequencewise.grid_read."""
    curves = np.empty((len(sequences), n_points, sequences.n_channels))
    extension().grid_read(*_parts(sequences), curves, n_kernel_threads())
    return curves


def grid_write(curves: np.ndarray, lengths: np.ndarray) -> Ragged:
    """See seqae.recurrence.sequencewise.grid_write."""
    steps = np.empty((int(lengths.sum()), curves.shape[2]), np.float32)
    extension().grid_write(curves, lengths, steps, n_kernel_threads())
    return back_to_back(steps, lengths)


def grid_gram(
    lengths: np.ndarray, starts: np.ndarray | None, observed: np.ndarray | None, n_points: int
) -> tuple[np.ndarray, np.ndarray]:
    """R'R of each sequence, of all steps, or by channel of the observed ones. observed: (n_rows, n_channels)."""
    n_channels = 1 if observed is None else observed.shape[1]
    diagonal, beside = (np.empty((len(lengths), n, n_channels)) for n in (n_points, n_points - 1))
    starts = lengths if starts is None else starts
    extension().grid_gram(observed, starts, lengths, diagonal, beside, n_kernel_threads())
    return diagonal, beside


def resample(sequences: Ragged, n_points: int) -> np.ndarray:
    """See seqae.recurrence.sequencewise.resample."""
    curves = np.empty((len(sequences), n_points, sequences.n_channels))
    extension().resample(*_parts(sequences), curves, n_kernel_threads())
    return curves


def convolution_shares(sequences: Ragged, convolutions: Convolutions, biases: np.ndarray) -> np.ndarray:
    """See seqae.recurrence.sequencewise.convolution_shares."""
    shares = np.empty((len(sequences), convolutions.n_features), np.float32)
    parts = *_parts(sequences), *_convolution_parts(convolutions)
    extension().convolution_shares(*parts, biases, shares, n_kernel_threads())
    return shares


def convolution_quantiles(
    sequences: Ragged, convolutions: Convolutions, probabilities: np.ndarray, steps: np.ndarray
) -> np.ndarray:
    """See seqae.recurrence.sequencewise.convolution_quantiles."""
    quantiles = np.empty(convolutions.n_features, np.float32)
    parts = *_parts(sequences), *_convolution_parts(convolutions)
    extension().convolution_quantiles(*parts, steps, probabilities, quantiles, n_kernel_threads())
    return quantiles


def statistics(sequences: Ragged) -> np.ndarray:
    """See seqae.recurrence.sequencewise.statistics."""
    out = np.empty((len(sequences), 6 * sequences.n_channels + 1), np.float32)
    extension().statistics(*_parts(sequences), out, n_kernel_threads())
    return out


def affine(x: np.ndarray, matrix: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """See seqae.recurrence.sequencewise.affine."""
    out = np.empty((len(x), matrix.shape[1]), x.dtype)
    extension().affine(x, matrix, offset, out, n_kernel_threads())
    return out


def _parts(sequences: Ragged) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]:
    return sequences.values, sequences.observed, sequences.starts, sequences.lengths


def _convolution_parts(convolutions: Convolutions) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    return convolutions.dilations, convolutions.channels, convolutions.n_biases, convolutions.is_standardised
