"""Distances of vectors to those of normal data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from ...recurrence import linear
from ...sequences.ragged import as_tensor
from ...storage.vetting import Arrays, misfit
from ...training.batching import evenly_chosen

MOST_VECTORS = 4096
FLATTENING = 0.05
CHUNK = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Whitened vectors of normal data.

    vectors: (n, size), whitened; centre: (latent_size,); whitener: (size, latent_size); half_norms: (n,), half of the
    squared lengths of vectors. All float32; vectors are kept column by column, as linear() reads them.
    """

    vectors: np.ndarray
    centre: np.ndarray
    whitener: np.ndarray
    half_norms: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors", np.asfortranarray(self.vectors))

    def distances(self, latent: np.ndarray) -> np.ndarray:
        """Euclidean distance to the nearest vector, each computed alone. latent: (m, latent_size). Returns (m,)."""
        return self.nearest(latent)[0]

    def nearest(self, latent: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Euclidean distance to the nearest vector and its number, each computed alone.

        latent: (m, latent_size). Returns (m,) float64 and (m,) int64.
        """
        whitener = as_tensor(self.whitener)
        x = linear(torch.from_numpy(latent - self.centre), whitener, torch.zeros(len(whitener)))
        which = self._closeness(x).argmax(axis=1)
        return self._distances(x.numpy(), which), which

    def own_distances(self, is_near: Callable[[slice], np.ndarray]) -> np.ndarray:
        """The distance of each vector to the nearest one that is not excluded; NaN if all are.

        is_near: takes indices of m vectors, returns (m, n) bool: the vectors to exclude, itself included.
        """
        found, x = np.empty(len(self.vectors)), np.ascontiguousarray(self.vectors)
        for first in range(0, len(x), CHUNK):
            rows = slice(first, first + CHUNK)
            closeness = np.where(is_near(rows), -np.inf, self._closeness(torch.from_numpy(x[rows])))
            which = closeness.argmax(axis=1)
            is_alone = np.isneginf(closeness.max(axis=1))
            found[rows] = np.where(is_alone, np.nan, self._distances(x[rows], which))
        return found

    def _closeness(self, x: torch.Tensor) -> np.ndarray:
        """x.m - |m|^2 / 2, highest for the nearest vector m. x: (m, size), whitened. Returns (m, n)."""
        return linear(x, as_tensor(self.vectors.T).t(), torch.from_numpy(-self.half_norms)).numpy()

    def _distances(self, x: np.ndarray, which: np.ndarray) -> np.ndarray:
        """x: (m, size), whitened; which: (m,) the vectors they are compared with. Returns (m,)."""
        return np.sqrt(_sum_of_squares(x.astype(np.float64) - self.vectors[which]))

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The fitted arrays, by name."""
        return {
            "vectors": np.ascontiguousarray(self.vectors),
            "centre": self.centre,
            "whitener": self.whitener,
            "half_norms": self.half_norms,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays, latent_size: int | None = None) -> Neighbours:
        """The inverse of to_arrays(). latent_size: None for any. Raises ModelFileError for other sizes."""
        whitener = arrays.take("whitener", (None, latent_size))
        vectors, centre = arrays.take("vectors", (None, len(whitener))), arrays.take("centre", (whitener.shape[1],))
        if not len(vectors):
            raise misfit(f"{arrays.prefix}vectors", "is empty")
        return cls(vectors, centre, whitener, arrays.take("half_norms", (len(vectors),)))


def fit_neighbours(latent: np.ndarray, most: int = MOST_VECTORS) -> Neighbours:
    """Whiten at most n_largest of the vectors, evenly chosen. latent: (n, latent_size).

    Whitening divides each principal component by sqrt(its variance + 0.05 of the mean one), so that a component
    with little variance in normal data has a larger weight, but does not dominate.
    """
    chosen = latent[evenly_chosen(len(latent), most)]
    centre = chosen.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = (chosen - centre).astype(np.float64)
    variances, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    variances = np.maximum(variances, 0.0)
    flattening = FLATTENING * variances.mean()
    deviations = np.sqrt(variances + (flattening if flattening > 0 else 1.0))
    whitener = np.ascontiguousarray((axes / deviations).T, np.float32)
    vectors = linear(torch.from_numpy(chosen - centre), torch.from_numpy(whitener), torch.zeros(len(whitener))).numpy()
    return Neighbours(vectors, centre, whitener, 0.5 * (vectors * vectors).sum(axis=1))


def _sum_of_squares(x: np.ndarray) -> np.ndarray:
    """Squared length of each row. cumsum adds column by column: a row's bits do not depend on other rows."""
    return np.cumsum(x * x, axis=1)[:, -1]
