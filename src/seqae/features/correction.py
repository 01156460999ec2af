"""A ridge regression from all values of a vector to the residual of the basis, if it improves left-out sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)  # times the mean variance of a value


@dataclass(frozen=True, slots=True, eq=False)
class Products:
    """Sums over sequences of products: of values, (k, k), and of values and residuals, (k, q)."""

    gram: np.ndarray
    cross: np.ndarray

    def __add__(self, other: Products) -> Products:
        return Products(self.gram + other.gram, self.cross + other.cross)

    def __sub__(self, other: Products) -> Products:
        return Products(self.gram - other.gram, self.cross - other.cross)


def products_of(values: np.ndarray, residuals: np.ndarray) -> Products:
    """values: (n, k); residuals: (n, q), of each curve after the basis."""
    return Products(values.T @ values, values.T @ residuals)


def fit_correction(folds: Sequence[Products], n_decoding: int) -> np.ndarray:
    """Weights from values to the residual of a curve, (k, q); zeros unless they improve left-out sequences.

    Two candidates per penalty: from all values, and from those alone that do not decode. The best is taken if its gain
    over all folds is larger than its standard error.
    """
    candidates = [(penalty, first) for first in (0, n_decoding) for penalty in PENALTIES]
    whole = reduce(add, folds)
    gains = np.empty((len(folds), len(candidates)))
    for k, fold in enumerate(folds):
        others = whole - fold
        gains[k] = [_gain(fold, _solution(others, *candidate)) for candidate in candidates]
    best = int(np.argmax(gains.sum(axis=0)))
    error = gains[:, best].std(ddof=1) * np.sqrt(len(folds))
    return _solution(whole, *candidates[best]) if gains[:, best].sum() > error else np.zeros_like(whole.cross)


def _solution(products: Products, penalty: float, first: int) -> np.ndarray:
    """Ridge weights of the values from `first` on, zeros for those before. Returns (k, q)."""
    weights = np.zeros_like(products.cross)
    own = products.gram[first:, first:]
    ridge = penalty * max(float(np.trace(own)), float(np.finfo(np.float64).tiny)) / max(len(own), 1)
    weights[first:] = np.linalg.solve(own + ridge * np.eye(len(own)), products.cross[first:])
    return weights


def _gain(products: Products, weights: np.ndarray) -> float:
    """The reduction of squared residuals by the weights, summed over the sequences."""
    return float(2 * np.sum(weights * products.cross) - np.sum(weights * (products.gram @ weights)))
