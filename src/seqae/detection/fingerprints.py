"""Fingerprints of the data that a threshold was learnt from, which tell them when they come to be judged."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from ..errors import InvalidParameter
from ..sequences.ragged import Ragged

SIZE = 16
"""Bytes of a fingerprint."""
LEAST_DIFFERENT = 16
"""Sequences with fewer different values, or of tokens, can be equal by chance, and are not told one by one."""
EXAMINED_VALUES = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprints:
    """rows: (1 + n, 16) uint8: of all sequences that were given together, in any order; then of n single ones."""

    rows: np.ndarray

    def refuse(self, sequences: Ragged) -> None:
        """Raise InvalidParameter if sequences are those that were given, or hold a single one.

        Parts of a sequence, and sequences with other values, are not noticed.
        """
        together, *single = (row.tobytes() for row in self.rows)
        found = _each(sequences)
        if _of_all(found) == together:
            raise InvalidParameter(
                "the threshold was fitted on these very data; judge others, or ask for it by name: threshold='scored'"
            )
        known = set(single)
        for i, fingerprint in enumerate(found):
            if fingerprint in known:
                raise InvalidParameter(
                    f"the threshold was fitted on sequence {i} of these data; leave it out, or ask for it by name: "
                    "threshold='scored'"
                )

    def and_of(self, used: Ragged) -> Fingerprints:
        """Of these sequences too."""
        return Fingerprints(np.concatenate([self.rows, _as_rows(_unmistakable(_each(used), used))]))


def fingerprints_of(given: Ragged, used: np.ndarray | None = None) -> Fingerprints:
    """given: all sequences that came together; used: (n,) which of them scores were taken from, None for all."""
    found = _each(given)
    used = np.arange(len(found)) if used is None else used
    return Fingerprints(_as_rows([_of_all(found), *_unmistakable([found[i] for i in used], given[used])]))


def as_fingerprints(rows: np.ndarray) -> Fingerprints:
    """What was saved. Raises ValueError for an array that is none."""
    if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != SIZE or not len(rows):
        raise ValueError(f"fingerprints must be uint8 of shape (1 + n, {SIZE}), got {rows.dtype} {rows.shape}")
    return Fingerprints(rows)


def _each(sequences: Ragged) -> list[bytes]:
    return [blake2b(np.ascontiguousarray(values).tobytes(), digest_size=SIZE).digest() for values in sequences]


def _of_all(fingerprints: list[bytes]) -> bytes:
    return blake2b(b"".join(sorted(fingerprints)), digest_size=SIZE).digest()


def _as_rows(fingerprints: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(fingerprints), np.uint8).reshape(-1, SIZE)


def _unmistakable(fingerprints: list[bytes], sequences: Ragged) -> list[bytes]:
    """The fingerprints of those that no other sequence equals by chance."""
    both = zip(fingerprints, sequences, strict=True)
    return [fingerprint for fingerprint, values in both if _is_unmistakable(values)]


def _is_unmistakable(values: np.ndarray) -> bool:
    """values: (n_steps, n_channels), or (n_steps,) tokens."""
    examined = values.reshape(-1)[:: 1 + values.size // EXAMINED_VALUES]
    return values.dtype.kind == "f" and len(np.unique(examined)) >= LEAST_DIFFERENT
