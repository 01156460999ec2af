"""A covariance shrunk towards one with independent frequencies, by an amount chosen by cross-validation.

Sigma = (1 - a) S + a blockdiag_f(S_ff), with S of the curves by frequency (see cosine.py): the second part is what a
stationary process has, keeps how channels vary together, and has as many directions as there are values. So there can
be more components than sequences, and few sequences overfit less (Ledoit & Wolf 2004, with another target).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .eigen import LEAST_VARIANCE, leading_directions, symmetric_eigen
from .moments import Moments, blocks_of, sum_of

SHRINKAGES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 0.9)


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
    own = leading_directions(rows, min(wanted, n, q))
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
