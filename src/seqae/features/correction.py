"""What all values of a vector say about its curve beyond the basis: a ridge regression, kept only where it pays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0)  # times the mean variance of a value


@dataclass(frozen=True, slots=True, eq=False)
class Products:
    """Sums over sequences: of values, (k, k), and of values and residuals, (k, q)."""

    gram: np.ndarray
    cross: np.ndarray

    def __add__(self, other: Products) -> Products:
        return Products(self.gram + other.gram, self.cross + other.cross)

    def __sub__(self, other: Products) -> Products:
        return Products(self.gram - other.gram, self.cross - other.cross)


def products_of(values: np.ndarray, residuals: np.ndarray) -> Products:
    """values: (n, k); residuals: (n, q), what the basis leaves of each curve."""
    return Products(values.T @ values, values.T @ residuals)


def fit_correction(folds: Sequence[Products], n_decoding: int) -> np.ndarray:
    """From values to what the basis leaves of a curve, (k, q); zeros unless left-out sequences gain by it.

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
    """By how much the weights lower the sum of squared residuals of the sequences that the sums are of."""
    return float(2 * np.sum(weights * products.cross) - np.sum(weights * (products.gram @ weights)))
