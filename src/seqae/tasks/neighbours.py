"""How far a vector lies from those of normal data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..recurrence import linear

MOST_VECTORS = 4096
FLATTENING = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """Vectors of normal data, whitened, to be compared with.

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
        memory, whitener = torch.from_numpy(self.vectors), torch.from_numpy(self.whitener)
        x = linear(torch.from_numpy(latent - self.centre), whitener, torch.zeros(len(whitener)))
        closeness = linear(x, memory, torch.from_numpy(-self.half_norms))  # x.m - |m|^2 / 2, highest for the nearest
        nearest = self.vectors[closeness.numpy().argmax(axis=1)]
        return np.sqrt(_sum_of_squares(x.numpy().astype(np.float64) - nearest))

    def to_tensors(self) -> dict[str, np.ndarray]:
        """All of it, as arrays by name."""
        return {
            "vectors": np.ascontiguousarray(self.vectors),
            "centre": self.centre,
            "whitener": self.whitener,
            "half_norms": self.half_norms,
        }


def fit_neighbours(latent: np.ndarray, most: int = MOST_VECTORS) -> Neighbours:
    """At most so many of the vectors, evenly chosen, whitened. latent: (n, latent_size).

    Whitening divides each principal component by sqrt(its variance + 0.05 of the mean one), so that a component
    that hardly varies in normal data counts for more than its size, but does not drown the others.
    """
    chosen = latent[np.unique(np.linspace(0, len(latent) - 1, most).astype(np.int64))]
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
    """Of each row. cumsum adds column after column: a row's bits do not depend on the other rows."""
    return np.cumsum(x * x, axis=1)[:, -1]
