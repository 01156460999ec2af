"""A learnt basis of curves: sequences of any length to a few values, and back, linear both ways.

A sequence of n steps is read off a curve on a grid of relative time: x = R_n (M + B z), R_n (n x points) linear
interpolation with the first point at the first step and the last at the last. M is the mean curve, B the first
components of a shrunk covariance (see shrinkage.py). The values are fitted through this decoder:

    z = (B' R_n' R_n B + s2 diag(1/v))^-1 B' R_n' (x - R_n M),

the posterior mean for components of variance v and noise s2 (probabilistic PCA: Tipping & Bishop 1999), exact for any
length; missing values are left out of the sums.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import InvalidParameter
from ..recurrence.sequencewise import grid_read, grid_write, resample
from ..sequences.ragged import Ragged
from .arrays import ANY, taken
from .chunks import Sequences, chunks, evenly, folds
from .cosine import as_curves, by_frequency
from .moments import moments_of, no_moments, sum_of
from .rows import affine
from .shrinkage import shrunk_directions, subspace_of
from .solving import Solver
from .threads import one_thread

MOST_POINTS = 512
FEWEST_POINTS = 16
MOST_VALUES = 1024
SAMPLE = 1024
N_FOLDS = 4
NOISE = 0.01  # of the variance that left-out sequences keep
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
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Basis:
        """The inverse of to_arrays(). Raises InvalidParameter for arrays that do not fit together."""
        mean, variances = taken(arrays, "mean", (None, None)), taken(arrays, "variances", (ANY,))
        components, numbers = taken(arrays, "components", (len(variances), *mean.shape)), taken(arrays, "numbers", (3,))
        if not (variances > 0).all() or not numbers[0] > 0:
            raise InvalidParameter("variances and noise must be above 0")
        return cls(mean, components, variances, *map(float, numbers))


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
