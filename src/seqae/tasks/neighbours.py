"""How far a latent vector lies from those of normal data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..recurrence import linear

MOST_VECTORS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Latent vectors of normal data, to be compared with; values are divided by scale first.

    vectors: (n, latent_size) float32, already divided; scale: float32, one for all values.
    """

    vectors: np.ndarray
    scale: float

    def distances(self, latent: np.ndarray) -> np.ndarray:
        """Euclidean distance to the nearest vector. latent: (m, latent_size). Returns (m,) float64."""
        memory = torch.from_numpy(self.vectors)
        x = torch.from_numpy(latent / np.float32(self.scale))
        closeness = linear(x, memory, -0.5 * (memory * memory).sum(dim=1))  # x.m - |m|^2 / 2, highest for the nearest
        nearest = self.vectors[closeness.argmax(dim=1).numpy()]
        return np.sqrt(_sum_of_squares(x.numpy().astype(np.float64) - nearest))


def fit_neighbours(latent: np.ndarray) -> Neighbours:
    """At most 4096 of the vectors, evenly chosen. latent: (n, latent_size)."""
    chosen = latent[np.unique(np.linspace(0, len(latent) - 1, MOST_VECTORS).astype(np.int64))]
    scale = float(np.sqrt(np.mean(chosen.var(axis=0, dtype=np.float64)))) or 1.0
    return Neighbours(np.ascontiguousarray(chosen / np.float32(scale)), scale)


def _sum_of_squares(x: np.ndarray) -> np.ndarray:
    """Of each row, column by column: a row's bits do not depend on the other rows."""
    total = np.zeros(len(x))
    for column in x.T:
        total += column * column
    return total
