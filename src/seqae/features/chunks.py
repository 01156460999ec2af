"""Read data sets some sequences at a time, so that memory is bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from ..sequences.checks import to_numpy
from ..sequences.ragged import Ragged

CHUNK_SEQUENCES = 512
CHUNK_STEPS = 1 << 17


class Sequences(Protocol):
    """The data for closed-form fits: scaled sequences that can be read in any order."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    @property
    def lengths(self) -> np.ndarray:
        """(n_sequences,) int64, in steps."""
        ...

    def load(self, indices: np.ndarray) -> Ragged:
        """The chosen sequences, scaled and back to back, as arrays or tensors."""
        ...


def chunks(sequences: Sequences, indices: np.ndarray) -> Iterator[tuple[np.ndarray, Ragged]]:
    """The chosen sequences in order, some at a time: indices, and sequences as NumPy arrays."""
    ends = np.cumsum(sequences.lengths[indices])
    first = 0
    while first < len(indices):
        before = ends[first - 1] if first else 0
        count = int(np.searchsorted(ends[first : first + CHUNK_SEQUENCES] - before, CHUNK_STEPS, side="right"))
        chosen = indices[first : first + max(count, 1)]
        yield chosen, as_arrays(sequences.load(chosen))
        first += len(chosen)


def as_arrays(sequences: Ragged) -> Ragged:
    """The same sequences with NumPy values; shares memory if possible."""
    observed = None if sequences.observed is None else to_numpy(sequences.observed)
    return Ragged.view(to_numpy(sequences.values), sequences.starts, sequences.lengths, observed)


def evenly(n: int, most: int) -> np.ndarray:
    """All of n indices, or `most` of them at equal distances. Returns (min(n, most),) int64."""
    return np.arange(min(n, most)) * n // min(n, most)


def folds(indices: np.ndarray, n_folds: int) -> np.ndarray:
    """The fold of each sequence, a function of its index: neighbours and multiples are spread over all folds.

    A golden-ratio sequence; every stretch of it is nearly balanced. Returns (n,) int64.
    """
    return np.floor(indices * (np.sqrt(5) - 1) / 2 % 1 * n_folds).astype(np.int64)
