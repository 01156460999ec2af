"""A learnt basis of curves: sequences of any length to a few values, and back, linear both ways.

A sequence of n steps is read off a curve on a grid of relative time: x = R_n (M + B z), R_n (n x points) linear
interpolation with the first point at the first step and the last at the last. M is the mean curve, B the first
components of a shrunk covariance (see shrinkage.py). The values are fitted through this decoder:

    z = (B' R_n' R_n B + s2 diag(1/v))^-1 B' R_n' (x - R_n M),

the posterior mean for components of variance v and noise s2 (probabilistic PCA: Tipping & Bishop 1999), exact for any
length; missing values are left out of the sums.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ..recurrence.sequencewise import grid_gram, grid_read, grid_write, observed_gram, resample
from ..sequences.ragged import Ragged
from ..storage.vetting import Arrays, as_count, misfit
from .chunks import Sequences, chunks, evenly, folds
from .linear_algebra import affine, one_thread
from .shrinkage import as_curves, by_frequency, moments_of, no_moments, shrunk_directions, subspace_of, sum_of

MOST_POINTS = 512
FEWEST_POINTS = 16
MOST_VALUES = 1024
SAMPLE = 1024
N_FOLDS = 4
NOISE = 0.01  # of the variance that left-out sequences keep
KEPT_VALUES = 1 << 21  # of factors that are kept for lengths seen before, 16 MiB
LEAST_NOISE = 1e-6  # of the variance there is, where nothing is left


@dataclass(frozen=True, eq=False)
class Basis:
    """mean: M, (n_points, n_channels); components: B', (n_components, n_points, n_channels), orthonormal on the grid.

    variances: v, (n_components,), of the values of z; noise: s2. All float64, in units of the scaled channels.
    shrinkage, unexplained: see shrinkage.Directions.
    """

    mean: np.ndarray
    components: np.ndarray
    variances: np.ndarray
    noise: float
    shrinkage: float
    unexplained: float

    @property
    def n_components(self) -> int:
        """Values of z."""
        return len(self.components)

    @property
    def n_points(self) -> int:
        """Points of the grid."""
        return len(self.mean)

    def first(self, n_components: int) -> Basis:
        """The same with at most so many components; what is unexplained, and noise, grow by what the others held."""
        kept = self.variances[:n_components]
        explained = (1 - self.unexplained) * (kept.sum() / self.variances.sum() if len(kept) else 0.0)
        noise = self.noise * max(1 - explained, LEAST_NOISE) / max(self.unexplained, LEAST_NOISE)
        return replace(
            self,
            components=self.components[:n_components],
            variances=kept,
            noise=float(noise),
            unexplained=float(1 - explained),
        )

    def encode(self, sequences: Ragged) -> np.ndarray:
        """z of each sequence, by itself. sequences: scaled, NumPy. Returns (n_sequences, n_components) float64."""
        on_grid = grid_read(sequences, self.n_points)
        return self._solver.solve(on_grid, sequences)

    def curves(self, z: np.ndarray) -> np.ndarray:
        """M + B z of each row. z: (n, n_components). Returns (n, n_points, n_channels) float64."""
        flat = affine(z, self.components.reshape(self.n_components, self.mean.size).T, self.mean.reshape(-1))
        return flat.reshape(len(z), *self.mean.shape)

    def decode(self, z: np.ndarray, lengths: np.ndarray) -> Ragged:
        """A scaled sequence of lengths[i] steps for each row of z, float32."""
        return grid_write(self.curves(z), lengths)

    @cached_property
    def _solver(self) -> Solver:
        return Solver(self.mean, self.components, self.variances, self.noise)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The fitted arrays, by name."""
        numbers = np.array([self.noise, self.shrinkage, self.unexplained])
        return {
            "mean": self.mean,
            "components": self.components,
            "variances": self.variances,
            "numbers": numbers,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Basis:
        """The inverse of to_arrays(). Raises ModelFileError for arrays that do not fit together."""
        mean = arrays.take("mean", (None, None), np.float64)
        as_count(mean.size, "the size of the mean curve", least=1)
        variances = arrays.take("variances", (None,), np.float64, above=0)
        components = arrays.take("components", (len(variances), *mean.shape), np.float64)
        noise, shrinkage, unexplained = map(float, arrays.take("numbers", (3,), np.float64, least=0))
        if noise == 0:
            raise misfit("the basis", "has no noise")
        return cls(mean, components, variances, noise, shrinkage, unexplained)


def points_for(sequences: Sequences) -> int:
    """Points of the grid: the length of the longest sequence, but at most 512, and at most 1024 values in all."""
    n_channels = sequences.load(np.zeros(1, np.int64)).n_channels
    return min(int(sequences.lengths.max()), MOST_POINTS, max(FEWEST_POINTS, MOST_VALUES // n_channels))


@one_thread
def fit_basis(sequences: Sequences, n_components: int, *, n_points: int | None = None) -> Basis:
    """The basis with n_components, or fewer if the curves vary in fewer directions.

    Reads a sample of at most 1024 sequences, then all of them once. n_points: of the grid, points_for() where None.
    """
    n_points = points_for(sequences) if n_points is None else n_points
    n, n_channels = len(sequences), sequences.load(np.zeros(1, np.int64)).n_channels
    sample = np.concatenate([rows for _, rows in _by_frequency(sequences, evenly(n, SAMPLE), n_points)])
    centre = sample.mean(axis=0)
    subspace = subspace_of(sample - centre, n_points, n_components)
    folded = [no_moments(subspace, n_points) for _ in range(N_FOLDS)]
    for which, rows in _by_frequency(sequences, np.arange(n), n_points):
        fold = folds(which, N_FOLDS)
        for k in range(N_FOLDS):
            folded[k] += moments_of(rows[fold == k] - centre, subspace, n_points)
    found = shrunk_directions(folded, subspace, n_components)
    whole = sum_of(folded)
    left = max(found.unexplained, LEAST_NOISE) * whole.power()
    return Basis(
        mean=as_curves((centre + whole.mean)[None], n_points)[0],
        components=as_curves(np.ascontiguousarray(found.components.T), n_points),
        variances=found.variances,
        noise=max(NOISE * left / (n_points * n_channels), float(np.finfo(np.float32).tiny)),
        shrinkage=found.shrinkage,
        unexplained=found.unexplained,
    )


def _by_frequency(sequences: Sequences, indices: np.ndarray, n_points: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The chosen sequences, some at a time: indices, and curves by frequency, (n, n_points * n_channels)."""
    for which, some in chunks(sequences, indices):
        yield which, by_frequency(resample(some, n_points))


class Solver:
    """Least squares through the decoder: (B' G B + s2 diag(1/v)) z = B' (R'x - G M), with G = R'R, tridiagonal.

    Of a length only one matrix of n_components squared is kept: memory does not grow with steps times lengths.
    """

    def __init__(self, mean: np.ndarray, components: np.ndarray, variances: np.ndarray, noise: float) -> None:
        """See Basis."""
        self._mean, self._components = mean, components
        self._flat = np.asfortranarray(components.reshape(len(components), mean.size))  # as affine() reads it
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
