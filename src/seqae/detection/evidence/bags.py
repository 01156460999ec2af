"""Distances of token sequences to the nearest normal one, by their sets of tokens or counts of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from ...sequences.ragged import Ragged
from ...sequences.steps import evenly_chosen, starts_of
from ...storage.vetting import Arrays, misfit, under
from .interface import Evidence, Score, Setting
from .neighbours import MOST_VECTORS
from .ngrams import count_symbols, with_starts

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Content = Literal["symbols", "pairs"]
CONTENTS: Mapping[str, Content] = {"symbols": "symbols", "pairs": "pairs"}
"""By the kind of its column."""


@dataclass(frozen=True, slots=True, eq=False)
class Bags:
    """Bags of words of normal sequences, as unit vectors in the space of all words. "symbols" are 1 if a token occurs;
    "pairs" count each pair of neighbours, with the start of the sequence as a neighbour of the first token.

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
        """Distance of each sequence's bag to the nearest one, both scaled to length 1: 0 to sqrt(2). Each is computed
        alone.

        sequences: tokens; unknown words match none. Returns (n_sequences,).
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

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, without the kind."""
        return {
            "n_symbols": np.array([self.n_symbols], np.int64),
            "words": self.words,
            "starts": self.starts,
            "places": self.places,
            "numbers": self.numbers,
        }

    @classmethod
    def from_arrays(cls, content: Content, arrays: Arrays) -> Bags:
        """The inverse of to_arrays(). Raises ModelFileError for arrays that no fit_bags() made."""
        words, starts = arrays.take("words", (None,), np.int64), arrays.take("starts", (None,), np.int64)
        places = arrays.take("places", (None,), np.int64, least=0, most=len(words) - 1)
        numbers = arrays.take("numbers", (len(places),), np.int64, least=1)
        n_symbols = int(arrays.take("n_symbols", (1,), np.int64, least=1)[0])
        is_whole = len(starts) > 1 and starts[0] == 0 and starts[-1] == len(places) and (np.diff(starts) > 0).all()
        if not is_whole or not (np.diff(words) > 0).all():
            raise misfit(f"{arrays.prefix}starts", "and words do not fit together")
        return cls(content, n_symbols, words, starts, places, numbers)


@dataclass(frozen=True, slots=True, eq=False)
class BagEvidence(Evidence):
    """The scores "symbols" and "pairs": distance to the nearest normal sequence, by the tokens that occur in it, or by
    its counts of neighbouring pairs. bags: one for each kind.
    """

    name: ClassVar[str] = "bags"
    offers: ClassVar[tuple[str, ...]] = tuple(CONTENTS)
    scores: ClassVar[tuple[Score, ...]] = tuple(
        Score(kind, (kind,), measure="distance", of="tokens") for kind in ("symbols", "pairs")
    )

    kinds: tuple[str, ...]
    bags: tuple[Bags, ...]

    @classmethod
    def fit(cls, windows: Ragged, kinds: tuple[str, ...], setting: Setting) -> Self:
        """See Evidence.fit. windows: tokens."""
        n_symbols = count_symbols(windows)
        return cls(kinds, tuple(fit_bags(windows, CONTENTS[kind], n_symbols) for kind in kinds))

    def width(self, kind: str) -> int:
        """See Evidence.width."""
        return 1

    def read(self, windows: Ragged) -> list[np.ndarray]:
        """See Evidence.read. windows: tokens, any numbers."""
        return [np.repeat(bags.distances(windows), windows.lengths)[:, None] for bags in self.bags]

    def to_arrays(self) -> Mapping[str, np.ndarray]:
        """See Evidence.to_arrays."""
        parts = [under(f"{bags.content}.", bags.to_arrays()) for bags in self.bags]
        return {name: array for part in parts for name, array in part.items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays, kinds: tuple[str, ...], setting: Setting) -> Self:
        """See Evidence.from_arrays."""
        return cls(kinds, tuple(Bags.from_arrays(CONTENTS[kind], arrays.below(f"{kind}.")) for kind in kinds))


@dataclass(frozen=True, slots=True, eq=False)
class Words:
    """The distinct words of each sequence, ascending. words, numbers: (n_entries,) int64, the words and their counts,
    or 1; starts: (n_sequences + 1,) int64, the first entry of each sequence.
    """

    words: np.ndarray
    numbers: np.ndarray
    starts: np.ndarray


def fit_bags(sequences: Ragged, content: Content, n_symbols: int) -> Bags:
    """The bags of at most 4096 of the sequences, evenly chosen. sequences: tokens below n_symbols."""
    chosen = sequences[evenly_chosen(len(sequences), MOST_VECTORS)]
    found = words_of(chosen, content, n_symbols)
    words, places = np.unique(found.words, return_inverse=True)
    return Bags(content, n_symbols, words, found.starts, places.astype(np.int64), found.numbers)


def words_of(sequences: Ragged, content: Content, n_symbols: int) -> Words:
    """The words of each sequence; unknown tokens, n_symbols and above, become n_symbols + 1."""
    symbols, is_start = with_starts(sequences, n_symbols)
    symbols = np.where(symbols < 0, n_symbols + 1, symbols)
    owner = sequences.owners()
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
