"""How far a sequence of symbols lies from the nearest normal one, by the symbols or the pairs of them that it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..sequences.ragged import Ragged, starts_of
from .neighbours import MOST_VECTORS
from .ngrams import with_starts

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Content = Literal["symbols", "pairs"]


@dataclass(frozen=True, slots=True, eq=False)
class Bags:
    """What normal sequences hold, as vectors of one length in the space of all words: "symbols" are 1 where a symbol
    occurs, "pairs" count each pair of neighbours, the start of the sequence being the first one's neighbour.

    words: (n_words,) int64, ascending: the symbols or pairs that occur; starts: (n_bags + 1,), places, numbers:
    (n_entries,) int64: bag i holds words[places[starts[i]:starts[i+1]]], numbers[...] times each.
    """

    content: Content
    n_symbols: int
    words: np.ndarray
    starts: np.ndarray
    places: np.ndarray
    numbers: np.ndarray

    def distances(self, sequences: Ragged) -> np.ndarray:
        """Of each sequence's bag to the nearest, both scaled to length 1: 0 to sqrt(2). Each is computed alone.

        sequences: tokens; words that no normal sequence holds are like none. Returns (n_sequences,).
        """
        found = words_of(sequences, self.content, self.n_symbols)
        places = np.minimum(np.searchsorted(self.words, found.words), len(self.words) - 1)
        is_known = self.words[places] == found.words
        kept = np.concatenate([[0], np.cumsum(is_known)])[found.starts]
        own = _matrix(found.numbers[is_known], places[is_known], kept, len(self.words))
        normal = _matrix(self.numbers, self.places, self.starts, len(self.words))
        alike = (own @ normal.T).toarray()  # whole numbers, so that their order of addition does not matter
        cosines = alike / _norms(self.numbers, self.starts) / _norms(found.numbers, found.starts)[:, None]
        return np.sqrt(np.maximum(2 - 2 * cosines.max(axis=1), 0.0))

    def to_tensors(self) -> dict[str, np.ndarray]:
        """All of it but the content, as arrays by name."""
        return {
            "n_symbols": np.array([self.n_symbols], np.int64),
            "words": self.words,
            "starts": self.starts,
            "places": self.places,
            "numbers": self.numbers,
        }

    @classmethod
    def from_tensors(cls, content: Content, tensors: Mapping[str, np.ndarray]) -> Bags:
        """What to_tensors() was called on. Raises ValueError for arrays that no fit_bags() made."""
        words, starts, places, numbers = (tensors[name] for name in ("words", "starts", "places", "numbers"))
        is_whole = all(array.ndim == 1 and array.dtype == np.int64 for array in (words, starts, places, numbers))
        if not is_whole or len(places) != len(numbers) or len(starts) < 2 or starts[0] or starts[-1] != len(places):
            raise ValueError("bags do not fit together")
        if not (np.diff(words) > 0).all() or not (np.diff(starts) > 0).all() or (numbers < 1).any():
            raise ValueError("bags are out of order")
        if places.min() < 0 or places.max() >= len(words):
            raise ValueError("bags hold words that there are not")
        return cls(content, int(tensors["n_symbols"][0]), words, starts, places, numbers)


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The different words of each sequence, in ascending order. words, numbers: (n_entries,) int64, how often each
    occurs, or 1; starts: (n_sequences + 1,) int64, where each sequence's begin.
    """

    words: np.ndarray
    numbers: np.ndarray
    starts: np.ndarray


def fit_bags(sequences: Ragged, content: Content, n_symbols: int) -> Bags:
    """The bags of at most 4096 of the sequences, evenly chosen. sequences: tokens below n_symbols."""
    chosen = sequences[np.unique(np.linspace(0, len(sequences) - 1, MOST_VECTORS).astype(np.int64))]
    found = words_of(chosen, content, n_symbols)
    words, places = np.unique(found.words, return_inverse=True)
    return Bags(content, n_symbols, words, found.starts, places.astype(np.int64), found.numbers)


def words_of(sequences: Ragged, content: Content, n_symbols: int) -> Words:
    """The words of each sequence; a symbol from n_symbols on is number n_symbols + 1."""
    symbols, is_start = with_starts(sequences, n_symbols)
    symbols = np.where(symbols < 0, n_symbols + 1, symbols)
    owner = np.repeat(np.arange(len(sequences)), sequences.lengths)
    words = symbols[~is_start]
    if content == "pairs":
        words = np.concatenate([[0], symbols[:-1]])[~is_start] * (n_symbols + 2) + words
    order = np.lexsort((words, owner))
    words, owner = words[order], owner[order]
    is_new = np.concatenate([[True], (np.diff(words) != 0) | (np.diff(owner) != 0)])
    firsts = np.flatnonzero(is_new)
    numbers = np.diff(np.append(firsts, len(words))) if content == "pairs" else np.ones(len(firsts), np.int64)
    counts = np.bincount(owner[firsts], minlength=len(sequences))
    return Words(words[firsts], numbers, np.append(starts_of(counts), len(firsts)))


def _matrix(numbers: np.ndarray, places: np.ndarray, starts: np.ndarray, n_words: int) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((numbers.astype(np.float64), places, starts), shape=(len(starts) - 1, n_words))


def _norms(numbers: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Lengths of the bags as vectors; no sequence is empty, so that none is 0. Returns (n_bags,)."""
    return np.sqrt(np.add.reduceat(numbers.astype(np.float64) ** 2, starts[:-1]))
