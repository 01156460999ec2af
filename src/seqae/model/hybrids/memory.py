"""Vectors that need not be computed twice: each epoch encodes the same sequences, and the encoder does not change."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import numpy as np

from ...features.chunks import as_arrays
from ...sequences.ragged import Ragged

MOST_VALUES = 1 << 24  # 64 MiB; what comes later is computed anew


class Memory:
    """Vectors by what their sequences hold."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._vectors: dict[bytes, np.ndarray] = {}

    def __getstate__(self) -> dict[str, object]:
        """Without what can be computed again."""
        return {"_size": self._size, "_vectors": {}}

    def forget(self) -> None:
        """Because what encodes has changed."""
        self._vectors.clear()

    def recall(self, sequences: Ragged, encode: Callable[[Ragged], np.ndarray]) -> np.ndarray:
        """What encode() gives, without calling it for sequences that came before. Returns (n, size) float32."""
        sequences = as_arrays(sequences)
        keys = [_digest(sequences, i) for i in range(len(sequences))]
        known = [self._vectors.get(key) for key in keys]
        new = np.array([i for i, vector in enumerate(known) if vector is None], np.int64)
        vectors = np.empty((len(sequences), self._size), np.float32)
        if len(new):
            vectors[new] = encode(sequences[new])
        for i, vector in enumerate(known):
            if vector is not None:
                vectors[i] = vector
            elif len(self._vectors) * self._size < MOST_VALUES:
                self._vectors[keys[i]] = vectors[i].copy()
        return vectors


def _digest(sequences: Ragged, i: int) -> bytes:
    """Of values, and of which were observed."""
    rows = slice(sequences.starts[i], sequences.starts[i] + sequences.lengths[i])
    digest = blake2b(sequences.values[rows].tobytes(), digest_size=16)
    if sequences.observed is not None:
        digest.update(sequences.observed[rows].tobytes())
    return digest.digest()
