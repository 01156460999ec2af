"""Discord search: the window that is least like any other, by the matrix profile of z-normalised windows, exactly."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from seqae.ragged import Ragged
from seqae.tasks.windowing import choose_window

LEAST_DEVIATION = 1e-4
"""Of a window, in standard deviations of the series: a flat one is not blown up."""


class Discord:
    """Scores each step by how far the windows around it lie from the nearest other window, in training or test part.

    It has no model: the test part is compared with itself too, but for neighbours within half a window.
    """

    def fit(self, X: list[np.ndarray]) -> Self:
        """X: one series, (n_steps, 1)."""
        (series,) = X
        self._train = series[:, 0].astype(np.float64)
        self._window = choose_window(Ragged.back_to_back(series, np.array([len(series)])))
        return self

    def anomaly_score(self, X: list[np.ndarray]) -> list[np.ndarray]:
        """X: one series, (n_steps, 1). Returns its (n_steps,), the mean over the windows that hold each step."""
        (series,) = X
        whole = np.concatenate([self._train, series[:, 0].astype(np.float64)])
        whole = (whole - self._train.mean()) / (self._train.std() or 1.0)
        return [mean_over_windows(profile(whole, self._window, len(self._train)), self._window)]


def profile(series: np.ndarray, window: int, first: int) -> np.ndarray:
    """Distance of each window that starts at `first` or later to the nearest that starts half a window away or more.

    STOMP (Zhu et al. 2016, "Matrix Profile II"): the products of one window with all others follow from those of the
    window before. series: (n_steps,). Returns (n_steps - window + 1 - first,) Euclidean, of z-normalised windows.
    """
    n = len(series) - window + 1
    means, deviations = _moments(series, window)
    products = np.array([_product(series, first, k, window) for k in range(n)])
    nearest, after = np.empty(n - first), np.empty(n)
    for i in range(first, n):
        if i > first:
            after[1:] = products[:-1] - series[i - 1] * series[: n - 1] + series[i + window - 1] * series[window:]
            after[0] = _product(series, i, 0, window)
            products, after = after, products
        correlation = (products / window - means[i] * means) / (deviations[i] * deviations)
        correlation[max(0, i - window // 2) : i + window // 2 + 1] = -1.0
        nearest[i - first] = np.max(correlation)
    return np.sqrt(2 * window * np.maximum(1 - nearest, 0.0))


def mean_over_windows(distances: np.ndarray, window: int) -> np.ndarray:
    """distances: (n_windows,), of windows one step apart. Returns (n_windows + window - 1,)."""
    sums = np.concatenate([[0.0], np.cumsum(distances)])
    at = np.arange(len(distances) + window - 1)
    first, last = np.maximum(at - window + 1, 0), np.minimum(at + 1, len(distances))
    return (sums[last] - sums[first]) / (last - first)


def _moments(series: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    views = np.lib.stride_tricks.sliding_window_view(series, window)
    return views.mean(axis=1), np.maximum(views.std(axis=1), LEAST_DEVIATION)


def _product(series: np.ndarray, i: int, k: int, window: int) -> Any:
    return series[i : i + window] @ series[k : k + window]
