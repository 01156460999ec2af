"""What describes a sequence of tokens: how often short runs of tokens occur in it, compressed without labels.

Runs of one, two and three tokens are counted, those of two and three with a mark before the first token and one after
the last, each kind in 512 places by a hash (feature hashing: Weinberger et al. 2009, 0902.2206). Features are square
roots of relative frequencies, whose Euclidean distance is Hellinger's; values are their first principal components,
rotated like the vectors of closed_form.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sequences.ragged import Ragged, owners_of, step_numbers_of
from ..storage.vetting import Arrays
from .chunks import CHUNK_SEQUENCES, Sequences, as_arrays, chunks, evenly
from .linear_algebra import affine, leading_directions, one_thread, random_rotation

ORDERS = (1, 2, 3)
N_PLACES = 512  # for the runs of each order
N_FEATURES = N_PLACES * len(ORDERS)
FIRST, LAST, N_MARKS = 0, 1, 2  # the marks, before the tokens
ODD, SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)
SAMPLE = 4096


@dataclass(frozen=True, slots=True, eq=False)
class NGrams:
    """weight: (n_values, n_features) and offset: (n_values,), from features to values, float32."""

    weight: np.ndarray
    offset: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", np.asfortranarray(self.weight))  # as affine() reads it, without a copy

    def of(self, sequences: Ragged) -> np.ndarray:
        """The values of each sequence, by itself. sequences: tokens. Returns (n, n_values) float32."""
        values = np.empty((len(sequences), len(self.offset)), np.float32)
        for first in range(0, len(sequences), CHUNK_SEQUENCES):
            some = slice(first, first + CHUNK_SEQUENCES)
            values[some] = affine(frequencies(sequences[some].compact()), self.weight, self.offset)
        return values

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The fitted arrays, by name."""
        return {"weight": self.weight, "offset": self.offset}

    @classmethod
    def from_arrays(cls, arrays: Arrays, *, n_values: int) -> NGrams:
        """What to_arrays() was called on. Raises ModelFileError for arrays of other sizes."""
        return cls(arrays.take("weight", (n_values, N_FEATURES)), arrays.take("offset", (n_values,)))


@one_thread
def fit_ngrams(sequences: Sequences, n_values: int, *, seed: int) -> NGrams:
    """n_values of mean square 1, or a rotation of as many as there are directions in which the features vary.

    Reads at most 4096 sequences, evenly chosen; the seed decides the rotation.
    """
    sample = chunks(sequences, evenly(len(sequences), SAMPLE))
    features = np.concatenate([frequencies(some) for _, some in sample])
    mean = features.mean(axis=0, dtype=np.float64)
    directions, squares = leading_directions(features - mean, n_values)
    power = float(squares.sum()) / len(features)
    turned = directions @ random_rotation(len(squares), n_values, seed)
    weight = (turned * np.sqrt(n_values / power) if power > 0 else np.zeros_like(turned)).T
    return NGrams(np.ascontiguousarray(weight, np.float32), (-weight @ mean).astype(np.float32))


def frequencies(sequences: Ragged) -> np.ndarray:
    """The square root of the part of the runs of each order that lies in each place.

    sequences: tokens, back to back, each of at least one. Returns (n, n_features) float32.
    """
    tokens, n = np.asarray(as_arrays(sequences).values).astype(np.uint64), len(sequences)
    lengths = sequences.lengths + 2
    owner, step = owners_of(lengths), step_numbers_of(lengths)
    marked = np.empty(len(owner), np.uint64)
    marked[step == 0], marked[step == lengths[owner] - 1] = FIRST, LAST
    is_token = (step > 0) & (step < lengths[owner] - 1)
    marked[is_token] = tokens + np.uint64(N_MARKS)
    found = np.empty((n, len(ORDERS), N_PLACES), np.float32)
    for k, order in enumerate(ORDERS):
        is_start = is_token if order == 1 else step <= lengths[owner] - order
        firsts = np.flatnonzero(is_start)
        cells = owner[firsts] * N_PLACES + _places(marked, firsts, order)
        counts = np.bincount(cells, minlength=n * N_PLACES).reshape(n, N_PLACES)
        found[:, k] = np.sqrt(counts / np.bincount(owner[firsts], minlength=n)[:, None])
    return found.reshape(n, N_FEATURES)


def _places(marked: np.ndarray, firsts: np.ndarray, order: int) -> np.ndarray:
    """The place of the run that begins at each of the given steps: a hash of its tokens and its order. (n_runs,)."""
    mixed = np.full(len(firsts), order, np.uint64)
    for k in range(order):
        mixed = (mixed ^ marked[firsts + k]) * ODD  # modulo 2**64
        mixed ^= mixed >> SHIFT
    return (mixed % np.uint64(N_PLACES)).astype(np.int64)
