"""A covariance shrunk towards one with independent frequencies, by an amount chosen by cross-validation.

Sigma = (1 - a) S + a blockdiag_f(S_ff), with S of the curves by frequency (by_frequency()): the second part is what a
stationary process has, keeps how channels vary together, and has as many directions as there are values. So there can
be more components than sequences, and few sequences overfit less (Ledoit & Wolf 2004, with another target).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

from .linear_algebra import LEAST_VARIANCE, leading_directions, symmetric_eigen

SHRINKAGES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)
MOST_BLOCK_CHANNELS = 256  # of more, the channels of a frequency are not held to covary: memory grows with their square


def cosines(n_points: int) -> np.ndarray:
    """The transform as an orthonormal matrix, (n_frequencies, n_points), lowest frequency first."""
    frequency, point = np.arange(n_points)[:, None], np.arange(n_points)
    matrix = np.sqrt(2 / n_points) * np.cos(np.pi * frequency * (2 * point + 1) / (2 * n_points))
    matrix[0] /= np.sqrt(2)
    return matrix


def by_frequency(curves: np.ndarray) -> np.ndarray:
    """curves: (n, n_points, n_channels). Returns (n, n_frequencies * n_channels), the channels of a frequency together.

    Each curve is transformed on its own.
    """
    _, n_points, n_channels = curves.shape
    return np.matmul(cosines(n_points), curves).reshape(len(curves), n_points * n_channels)


def as_curves(rows: np.ndarray, n_points: int) -> np.ndarray:
    """The inverse of by_frequency(): (n, n_points, n_channels)."""
    return np.matmul(cosines(n_points).T, rows.reshape(len(rows), n_points, rows.shape[1] // n_points))


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over rows x, each the curve of a sequence by frequency, less a fixed centre; u = U'x.

    count: rows. total: (q,) sum of x. scatter: (m, m) sum of u u'. blocks: (n_frequencies, n_channels, n_channels), sum
    of x x' within each frequency, or (n_frequencies, n_channels) of squares alone for more than 256 channels.
    """

    count: int
    total: np.ndarray
    scatter: np.ndarray
    blocks: np.ndarray

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.count + other.count,
            self.total + other.total,
            self.scatter + other.scatter,
            self.blocks + other.blocks,
        )

    def __sub__(self, other: Moments) -> Moments:
        return Moments(
            self.count - other.count,
            self.total - other.total,
            self.scatter - other.scatter,
            self.blocks - other.blocks,
        )

    @property
    def mean(self) -> np.ndarray:
        """(q,)."""
        return self.total / max(self.count, 1)

    def covariance(self, subspace: np.ndarray) -> np.ndarray:
        """Of u, (m, m). subspace: U, (q, m)."""
        centre = subspace.T @ self.mean
        return self.scatter / max(self.count, 1) - np.outer(centre, centre)

    def stationary(self, subspace: np.ndarray) -> np.ndarray:
        """Covariance of u if frequencies did not vary together, (m, m). subspace: U, (q, m)."""
        return _projected(self._own_blocks(), subspace)

    def power(self) -> float:
        """The variance of x, all values together."""
        blocks = self._own_blocks()
        return float(blocks.sum() if blocks.ndim == 2 else np.trace(blocks, axis1=1, axis2=2).sum())

    def squares_about(self, centre: np.ndarray, subspace: np.ndarray) -> tuple[float, np.ndarray]:
        """Sum of (x - centre)'(x - centre), and the sum of (u - U'centre)(u - U'centre)', (m, m). centre: (q,)."""
        power = float(self.blocks.sum() if self.blocks.ndim == 2 else np.trace(self.blocks, axis1=1, axis2=2).sum())
        power += float(self.count * centre @ centre - 2 * self.total @ centre)
        shift, total = subspace.T @ centre, subspace.T @ self.total
        cross = np.outer(shift, total)
        return power, self.scatter - cross - cross.T + self.count * np.outer(shift, shift)

    def _own_blocks(self) -> np.ndarray:
        """Covariance of the channels within each frequency, shaped like blocks."""
        mean = self.mean.reshape(len(self.blocks), -1)
        outer = mean**2 if self.blocks.ndim == 2 else mean[:, :, None] * mean[:, None, :]
        return self.blocks / max(self.count, 1) - outer


def no_moments(subspace: np.ndarray, n_frequencies: int) -> Moments:
    """Of no rows. subspace: U, (q, m)."""
    return moments_of(np.zeros((0, len(subspace))), subspace, n_frequencies)


def moments_of(rows: np.ndarray, subspace: np.ndarray, n_frequencies: int) -> Moments:
    """rows: (n, q), less the fixed centre; subspace: U, (q, m)."""
    u = rows @ subspace
    return Moments(len(rows), rows.sum(axis=0), u.T @ u, blocks_of(rows, n_frequencies))


def sum_of(parts: Sequence[Moments]) -> Moments:
    """The moments of all rows."""
    return reduce(add, parts)


def blocks_of(rows: np.ndarray, n_frequencies: int) -> np.ndarray:
    """See Moments.blocks. rows: (n, q)."""
    parts = rows.reshape(len(rows), n_frequencies, rows.shape[1] // n_frequencies)
    if parts.shape[2] > MOST_BLOCK_CHANNELS:
        return np.einsum("nfc,nfc->fc", parts, parts)
    by_frequency = np.ascontiguousarray(parts.transpose(1, 0, 2))
    return np.matmul(by_frequency.transpose(0, 2, 1), by_frequency)


def _projected(blocks: np.ndarray, subspace: np.ndarray) -> np.ndarray:
    """U' diag(blocks) U."""
    parts = subspace.reshape(len(blocks), -1, subspace.shape[1])
    weighted = blocks[:, :, None] * parts if blocks.ndim == 2 else np.matmul(blocks, parts)
    return subspace.T @ weighted.reshape(subspace.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Directions:
    """components: (q, k), orthonormal columns, first the one with the largest variance; variances: (k,).

    shrinkage: a. unexplained: part of the variance of left-out sequences that the components did not explain.
    """

    components: np.ndarray
    variances: np.ndarray
    shrinkage: float
    unexplained: float


def subspace_of(rows: np.ndarray, n_frequencies: int, n_components: int) -> np.ndarray:
    """Orthonormal columns whose span holds the first components for any shrinkage, nearly. Returns (q, m).

    These are the first directions of both parts of Sigma, twice as many as wanted: all eigenproblems are then of this
    size, whatever the size of the grid. rows: (n, q), a sample of the curves by frequency, less their mean.
    """
    n, q = rows.shape
    wanted = 2 * n_components + 16
    own, _ = leading_directions(rows, min(wanted, n, q))
    if own.shape[1] + wanted >= q:
        return np.eye(q)
    stationary = _leading_of_blocks(blocks_of(rows, n_frequencies), wanted)
    return np.linalg.qr(np.concatenate([own, stationary], axis=1))[0]


def shrunk_directions(folds: Sequence[Moments], subspace: np.ndarray, n_components: int) -> Directions:
    """The first components, with the shrinkage that explains most of the folds that are left out."""
    whole = sum_of(folds)
    unexplained = _unexplained([fold for fold in folds if fold.count], whole, subspace, n_components)
    best = int(np.argmin(unexplained))
    components, variances = _components(whole, subspace, SHRINKAGES[best], n_components)
    return Directions(subspace @ components, variances, SHRINKAGES[best], float(max(unexplained[best], 0.0)))


def _unexplained(folds: list[Moments], whole: Moments, subspace: np.ndarray, n_components: int) -> np.ndarray:
    """Part of the variance of left-out folds that the components of the others do not explain, of each shrinkage.

    Returns (n_shrinkages,); zeros where there is nothing to leave out or to explain.
    """
    errors, power = np.zeros(len(SHRINKAGES)), 0.0
    for fold in folds if len(folds) > 1 else ():
        others = whole - fold
        covariance, stationary = others.covariance(subspace), others.stationary(subspace)
        fold_power, squares = fold.squares_about(others.mean, subspace)
        for k, shrinkage in enumerate(SHRINKAGES):
            components, _ = _eigen((1 - shrinkage) * covariance + shrinkage * stationary, n_components)
            errors[k] += fold_power - np.sum((squares @ components) * components)
        power += fold_power
    return errors / power if power > 0 else errors


def _components(whole: Moments, subspace: np.ndarray, shrinkage: float, n: int) -> tuple[np.ndarray, np.ndarray]:
    covariance, stationary = whole.covariance(subspace), whole.stationary(subspace)
    return _eigen((1 - shrinkage) * covariance + shrinkage * stationary, n)


def _eigen(matrix: np.ndarray, n_components: int) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors in columns, and eigenvalues, without those along which nothing varies."""
    values, vectors = symmetric_eigen(matrix, n_components)
    is_kept = values > LEAST_VARIANCE * max(float(values[0]), np.finfo(np.float64).tiny)
    return vectors[:, is_kept], values[is_kept]


def _leading_of_blocks(blocks: np.ndarray, wanted: int) -> np.ndarray:
    """The first eigenvectors of a block-diagonal matrix, (q, wanted). blocks: see Moments."""
    n_frequencies, n_channels = blocks.shape[:2]
    if blocks.ndim == 2:
        chosen = np.argsort(-blocks.reshape(-1), kind="stable")[:wanted]
        return np.eye(n_frequencies * n_channels)[:, chosen]
    values, vectors = np.linalg.eigh(blocks)  # (n_frequencies, n_channels), and an eigenvector in each last column
    columns = np.zeros((n_frequencies * n_channels, wanted))
    for column, place in enumerate(np.argsort(-values, axis=None, kind="stable")[:wanted]):
        frequency, k = divmod(int(place), n_channels)
        columns[frequency * n_channels : (frequency + 1) * n_channels, column] = vectors[frequency, :, k]
    return columns
