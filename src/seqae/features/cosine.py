"""Curves by frequency: the orthonormal discrete cosine transform along relative time (DCT-II, Ahmed et al. 1974)."""

from __future__ import annotations

import numpy as np


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
