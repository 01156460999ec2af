"""Discord search with stumpy, where it is installed: the window that is least like any other, z-normalised."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Self

import numpy as np

from seqae.detection.period import choose_window
from seqae.sequences.ragged import Ragged


class Discord:
    """Scores each step by the distances of its windows to their nearest other window, in training or test part.

    It has no model: the test part is also compared with itself, except for neighbours within half a window.
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
        return [mean_over_windows(profile(whole, self._window)[len(self._train) :], self._window)]


def is_installed() -> bool:
    """Whether stumpy can be imported."""
    return find_spec("stumpy") is not None


def profile(series: np.ndarray, window: int) -> np.ndarray:
    """The matrix profile (Law 2019, "STUMPY"): of each window, the distance to the nearest that starts more than half a
    window away. series: (n_steps,). Returns (n_steps - window + 1,) Euclidean, of z-normalised windows.
    """
    import stumpy  # pyright: ignore[reportMissingImports]

    stumpy.config.STUMPY_EXCL_ZONE_DENOM = 2  # stumpy's setting for half a window
    return stumpy.stump(series, window)[:, 0].astype(np.float64)


def mean_over_windows(distances: np.ndarray, window: int) -> np.ndarray:
    """distances: (n_windows,), of windows one step apart. Returns (n_windows + window - 1,)."""
    sums = np.concatenate([[0.0], np.cumsum(distances)])
    at = np.arange(len(distances) + window - 1)
    first, last = np.maximum(at - window + 1, 0), np.minimum(at + 1, len(distances))
    return (sums[last] - sums[first]) / (last - first)
