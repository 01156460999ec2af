"""Mahalanobis distances of error vectors, with mean and covariance from normal data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from ..sequences.scaling import known_mean
from ..storage.vetting import Arrays
from .evidence.interface import Measure


@dataclass(frozen=True, slots=True, eq=False)
class Mahalanobis(Measure):
    """a = (e - mu)^T S^-1 (e - mu) (Malhotra et al. 2016, 1607.00148, section 2), with S = L L^T as |L^-1 (e - mu)|^2.

    Of a sequence, the mean over its steps: they are squares already.
    mean: (n_columns,); whitener: (n_columns, n_columns), L^-1, lower triangular.
    """

    name: ClassVar[str] = "mahalanobis"

    mean: np.ndarray
    whitener: np.ndarray

    def score(self, columns: np.ndarray) -> np.ndarray:
        """See Measure.score; an unknown error counts as the mean."""
        is_known = ~np.isnan(columns)
        centred = np.where(is_known, columns, self.mean) - self.mean
        total = np.zeros(len(columns))
        for k, row in enumerate(self.whitener):  # column by column, so that a step's bits do not depend on the others
            whitened = np.zeros(len(columns))
            for j in range(k + 1):
                whitened += row[j] * centred[:, j]
            total += whitened * whitened
        return np.where(is_known.any(axis=1), total, np.nan)

    def of_sequences(self, scores: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """See Measure.of_sequences."""
        return known_mean(scores, lengths)

    def size(self) -> float:
        """1: the score has no units."""
        return 1.0

    def to_arrays(self) -> Mapping[str, np.ndarray]:
        """See Measure.to_arrays."""
        return {"mean": self.mean, "whitener": self.whitener}

    @classmethod
    def from_arrays(cls, arrays: Arrays, n_columns: int) -> Self:
        """See Measure.from_arrays."""
        mean = arrays.take("mean", (n_columns,), np.float64)
        return cls(mean, arrays.take("whitener", (n_columns, n_columns), np.float64))


def fit_mahalanobis(errors: np.ndarray) -> Mahalanobis:
    """Mean and full covariance of held-out error vectors, with the shrinkage of Ledoit & Wolf (2004).

    errors: (n, n_columns), NaN where unknown. Each column and pair uses its known values; a column without any gets the
    mean and variance of the others. The covariance can always be inverted: beside the shrinkage, each variance is
    increased by a millionth of the mean one.
    """
    from scipy.linalg import solve_triangular
    from sklearn.covariance import ledoit_wolf

    is_known = ~np.isnan(errors)
    rows = errors[is_known.any(axis=1)]
    if not len(rows):
        return Mahalanobis(np.zeros(errors.shape[1]), np.eye(errors.shape[1]))
    is_known = ~np.isnan(rows)
    mean = rows.mean(axis=0) if is_known.all() else _mean_of_known(rows)
    centred = np.where(is_known, rows - mean, 0.0)
    size = float(np.sqrt(np.mean(centred[is_known] ** 2))) or 1.0
    if len(rows) == 1:
        covariance = np.eye(len(mean))
    elif is_known.all():
        covariance, _ = ledoit_wolf(centred / size, assume_centered=True)
    else:
        covariance = _covariance_of_known(centred / size, is_known)
    covariance = covariance + 1e-6 * np.eye(len(mean))
    factor = np.linalg.cholesky(covariance)
    return Mahalanobis(mean, solve_triangular(factor, np.eye(len(mean)), lower=True) / size)


def _mean_of_known(rows: np.ndarray) -> np.ndarray:
    """The mean of each column; if unknown, the mean of the others. rows: (n, n_columns), NaN where unknown."""
    count = (~np.isnan(rows)).sum(axis=0)
    mean = np.divide(np.nansum(rows, axis=0), count, out=np.zeros(rows.shape[1]), where=count > 0)
    return np.where(count > 0, mean, mean[count > 0].mean())


def _covariance_of_known(centred: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Covariance of each pair of columns over rows where both are known, shrunk as if all were known, and projected
    to the nearest one without negative variances. centred: (n, n_columns), 0 where unknown.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    n_both = is_known.T.astype(np.float64) @ is_known
    covariance = centred.T @ centred / np.maximum(n_both, 1.0)
    is_unknown = ~is_known.any(axis=0)
    usual = float(np.trace(covariance)) / int((~is_unknown).sum())
    covariance[is_unknown, is_unknown] = usual
    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    covariance = (1 - shrinkage) * covariance + shrinkage * usual * np.eye(len(covariance))
    variances, axes = np.linalg.eigh(covariance)
    return (axes * np.maximum(variances, 0.0)) @ axes.T
