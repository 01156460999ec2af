"""Mergeable sums over sequences, for covariances by frequency with shrinkage and cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np

MOST_BLOCK_CHANNELS = 256  # of more, the channels of a frequency are not held to covary: memory grows with their square


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Sums over rows x, each the curve of a sequence by frequency, less a fixed centre; u = U'x.

    count: rows. total: (q,) sum of x. scatter: (m, m) sum of u u'. blocks: (n_frequencies, n_channels, n_channels), sum
    of x x' within each frequency, or (n_frequencies, n_channels) of squares
    alone where there are more than 256 channels.
    """

    count: int
    total: np.ndarray
    scatter: np.ndarray
    blocks: np.ndarray

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.count + other.count,
            self.total + other.total,
            self.scatter + other.scatter,
            self.blocks + other.blocks,
        )

    def __sub__(self, other: Moments) -> Moments:
        return Moments(
            self.count - other.count,
            self.total - other.total,
            self.scatter - other.scatter,
            self.blocks - other.blocks,
        )

    @property
    def mean(self) -> np.ndarray:
        """(q,)."""
        return self.total / max(self.count, 1)

    def covariance(self, subspace: np.ndarray) -> np.ndarray:
        """Of u, (m, m). subspace: U, (q, m)."""
        centre = subspace.T @ self.mean
        return self.scatter / max(self.count, 1) - np.outer(centre, centre)

    def stationary(self, subspace: np.ndarray) -> np.ndarray:
        """Covariance of u if frequencies did not vary together, (m, m). subspace: U, (q, m)."""
        return _projected(self._own_blocks(), subspace)

    def power(self) -> float:
        """The variance of x, all values together."""
        blocks = self._own_blocks()
        return float(blocks.sum() if blocks.ndim == 2 else np.trace(blocks, axis1=1, axis2=2).sum())

    def squares_about(self, centre: np.ndarray, subspace: np.ndarray) -> tuple[float, np.ndarray]:
        """Sum of (x - centre)'(x - centre), and the sum of (u - U'centre)(u - U'centre)', (m, m). centre: (q,)."""
        power = float(self.blocks.sum() if self.blocks.ndim == 2 else np.trace(self.blocks, axis1=1, axis2=2).sum())
        power += float(self.count * centre @ centre - 2 * self.total @ centre)
        shift, total = subspace.T @ centre, subspace.T @ self.total
        cross = np.outer(shift, total)
        return power, self.scatter - cross - cross.T + self.count * np.outer(shift, shift)

    def _own_blocks(self) -> np.ndarray:
        """Covariance of the channels within each frequency, shaped like blocks."""
        mean = self.mean.reshape(len(self.blocks), -1)
        outer = mean**2 if self.blocks.ndim == 2 else mean[:, :, None] * mean[:, None, :]
        return self.blocks / max(self.count, 1) - outer


def no_moments(subspace: np.ndarray, n_frequencies: int) -> Moments:
    """Of no rows. subspace: U, (q, m)."""
    return moments_of(np.zeros((0, len(subspace))), subspace, n_frequencies)


def moments_of(rows: np.ndarray, subspace: np.ndarray, n_frequencies: int) -> Moments:
    """rows: (n, q), less the fixed centre; subspace: U, (q, m)."""
    u = rows @ subspace
    return Moments(len(rows), rows.sum(axis=0), u.T @ u, blocks_of(rows, n_frequencies))


def sum_of(parts: Sequence[Moments]) -> Moments:
    """The moments of all rows."""
    return reduce(add, parts)


def blocks_of(rows: np.ndarray, n_frequencies: int) -> np.ndarray:
    """See Moments.blocks. rows: (n, q)."""
    parts = rows.reshape(len(rows), n_frequencies, rows.shape[1] // n_frequencies)
    if parts.shape[2] > MOST_BLOCK_CHANNELS:
        return np.einsum("nfc,nfc->fc", parts, parts)
    by_frequency = np.ascontiguousarray(parts.transpose(1, 0, 2))
    return np.matmul(by_frequency.transpose(0, 2, 1), by_frequency)


def _projected(blocks: np.ndarray, subspace: np.ndarray) -> np.ndarray:
    """U' diag(blocks) U."""
    parts = subspace.reshape(len(blocks), -1, subspace.shape[1])
    weighted = blocks[:, :, None] * parts if blocks.ndim == 2 else np.matmul(blocks, parts)
    return subspace.T @ weighted.reshape(subspace.shape)
