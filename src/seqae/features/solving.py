"""Values of a basis for sequences, by regularised least squares through the decoder."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from ..recurrence.sequencewise import grid_gram, observed_gram
from ..sequences.ragged import Ragged
from .rows import affine
from .threads import one_thread

KEPT_VALUES = 1 << 21  # of factors that are kept for lengths seen before, 16 MiB


class Solver:
    """Solves (B' G B + s2 diag(1/v)) z = B' (R'x - G M) with G = R'R, which is tridiagonal; see basis.py.

    Of a length only one matrix of n_components squared is kept: memory does not grow with steps times lengths.
    """

    def __init__(self, mean: np.ndarray, components: np.ndarray, variances: np.ndarray, noise: float) -> None:
        """See Basis."""
        self._mean, self._components = mean, components
        self._flat = components.reshape(len(components), mean.size)
        self._prior = noise / variances
        self._factors: OrderedDict[int, tuple[np.ndarray, np.ndarray]] = OrderedDict()
        self._n_kept = max(KEPT_VALUES // max(len(components), 1) ** 2, 1)

    def solve(self, on_grid: np.ndarray, sequences: Ragged) -> np.ndarray:
        """z of each sequence. on_grid: R'x, (n, n_points, n_channels) float64. Returns (n, n_components) float64."""
        projected = affine(on_grid.reshape(len(sequences), self._mean.size), self._flat, np.zeros(len(self._flat)))
        z = np.empty_like(projected)
        is_whole = self._are_whole(sequences)
        for length in np.unique(sequences.lengths[is_whole]):
            rows = np.flatnonzero(is_whole & (sequences.lengths == length))
            z[rows] = _solved(projected[rows], *self._factor(int(length)))
        for i in np.flatnonzero(~is_whole):  # G then differs between sequences, and between channels
            diagonal, beside = observed_gram(sequences[np.array([i])], len(self._mean))
            z[[i]] = _solved(projected[[i]], *self._inverted(diagonal[0], beside[0]))
        return z

    def _factor(self, length: int) -> tuple[np.ndarray, np.ndarray]:
        """Inverse of the left side's matrix, and B'G M, of one length."""
        if length in self._factors:
            self._factors.move_to_end(length)
            return self._factors[length]
        diagonal, beside = grid_gram(np.array([length]), len(self._mean))
        factor = self._inverted(diagonal[0][:, None], beside[0][:, None])
        self._factors[length] = factor
        if len(self._factors) > self._n_kept:
            self._factors.popitem(last=False)
        return factor

    @one_thread
    def _inverted(self, diagonal: np.ndarray, beside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """diagonal: (n_points, n_channels or 1), beside: one point less; of G."""
        weighted = diagonal * self._components  # (n_components, n_points, n_channels), G B
        weighted[:, :-1] += beside * self._components[:, 1:]
        weighted[:, 1:] += beside * self._components[:, :-1]
        weighted = weighted.reshape(self._flat.shape)
        inverse = np.linalg.inv(weighted @ self._flat.T + np.diag(self._prior))
        return (inverse + inverse.T) / 2, weighted @ self._mean.reshape(-1)

    @staticmethod
    def _are_whole(sequences: Ragged) -> np.ndarray:
        """Whether every value was observed, of each sequence, (n,) bool."""
        if sequences.observed is None:
            return np.ones(len(sequences), bool)
        missing = np.concatenate([[0], np.cumsum(~sequences.observed.all(axis=1))])
        return missing[sequences.starts + sequences.lengths] == missing[sequences.starts]


def _solved(projected: np.ndarray, inverse: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """inverse (projected - shift), each row by itself."""
    return affine(projected - shift, inverse, np.zeros(len(inverse)))
