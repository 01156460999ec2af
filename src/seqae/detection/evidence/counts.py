"""Evidence from counting tokens: bags of them and of their pairs, and the likelihood of each after those before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from ...sequences.ragged import Ragged, evenly_chosen, starts_of
from ...storage.vetting import Arrays, misfit, under
from ..series import covered
from .interface import RECONSTRUCTION, Evidence, Score, Setting
from .linear import MOST_VECTORS

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


NGRAM = "ngram"

MOST_SYMBOLS = 5
"""Length of an n-gram. On the open data of benchmarks/detect.py, 3 to 6 differ little."""

ROOT, NOWHERE = 0, -1


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """The n-grams of one length, as children of those one shorter: a level of a trie.

    keys: (n,) int64, ascending, parent * (n_symbols + 1) + symbol; counts: (n,) int64, how often each was seen;
    totals, kinds: (n_parents,) int64, number of tokens, and of distinct tokens, after each parent.
    """

    keys: np.ndarray
    counts: np.ndarray
    totals: np.ndarray
    kinds: np.ndarray

    def find(self, keys: np.ndarray) -> np.ndarray:
        """The number of each n-gram, or -1. keys: (n_steps,) int64, negative where there is no parent."""
        if not len(self.keys):
            return np.full(len(keys), NOWHERE)
        places = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[places] == keys, places, NOWHERE)


@dataclass(frozen=True, slots=True, eq=False)
class NGramModel:
    """Counts of n-grams, smoothed by interpolation (Witten & Bell 1991, IEEE Trans. Inf. Theory 37(4), method C):

        p(w | h) = (c(h w) + T(h) p(w | h')) / (c(h) + T(h)),

    where c counts, T(h) is the number of distinct tokens after h, and h' is h without its first token; for empty h, p
    is interpolated with 1 / (n_symbols + 1), for each known token and for an unknown one. A sequence begins with a
    start, which is part of h.

    n_symbols: tokens are numbers below it; others are unknown. levels: n-grams of 1, 2, ... symbols.
    """

    n_symbols: int
    levels: tuple[Level, ...]

    def losses(self, sequences: Ragged) -> np.ndarray:
        """Cross-entropy of each step in nats, given the steps before it, each computed alone.

        sequences: tokens. Returns (n_steps,) float64, finite for any symbols.
        """
        symbols, is_start = with_starts(sequences, self.n_symbols)
        likelihood = np.full(len(symbols), 1 / (self.n_symbols + 1))
        nodes = np.full(len(symbols), ROOT)
        for n, level in enumerate(self.levels):
            parents = parents_of(nodes, is_start, n)
            nodes = level.find(keys_of(parents, symbols, self.n_symbols))
            counts = np.where(nodes >= 0, level.counts[nodes], 0)
            totals, kinds = (np.where(parents >= 0, of[parents], 0) for of in (level.totals, level.kinds))
            smoothed = (counts + kinds * likelihood) / np.maximum(totals + kinds, 1)
            likelihood = np.where(totals > 0, smoothed, likelihood)
        return -np.log(likelihood[~is_start])

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The fitted arrays, by name."""
        arrays = {"n_symbols": np.array([self.n_symbols], np.int64)}
        for n, level in enumerate(self.levels):
            arrays |= {f"keys{n}": level.keys, f"counts{n}": level.counts}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> NGramModel:
        """The inverse of to_arrays(). Raises ModelFileError for arrays that no fit_ngrams() made."""
        n_symbols = int(arrays.take("n_symbols", (1,), np.int64, least=1)[0])
        n_levels = sum(name.startswith("keys") for name in arrays.tensors)
        if not n_levels:
            raise misfit(f"{arrays.prefix}keys0", "is missing")
        arrays.only({"n_symbols", *(f"{name}{n}" for n in range(n_levels) for name in ("keys", "counts"))})
        levels, n_parents = [], 1
        for n in range(n_levels):
            keys = arrays.take(f"keys{n}", (None,), np.int64, least=0, most=n_parents * (n_symbols + 1) - 1)
            counts = arrays.take(f"counts{n}", (len(keys),), np.int64, least=0)
            if not len(keys) or (np.diff(keys) <= 0).any():
                raise misfit(f"{arrays.prefix}keys{n}", "is empty or out of order")
            levels.append(_level(keys, counts, n_parents, n_symbols))
            n_parents = len(keys)
        return cls(n_symbols, tuple(levels))


@dataclass(frozen=True, slots=True, eq=False)
class NGramEvidence(Evidence):
    """The score "ngram": the cross-entropy of each token given the four before it, from counts.

    The column "ngram" (or "reconstruction", where counting is the main model): the cross-entropy of each step.
    """

    name: ClassVar[str] = "ngrams"
    offers: ClassVar[tuple[str, ...]] = (NGRAM,)
    leads: ClassVar[tuple[str, ...]] = (RECONSTRUCTION,)
    scores: ClassVar[tuple[Score, ...]] = (Score("ngram", (NGRAM,), of="tokens", is_yardstick=True),)

    kinds: tuple[str, ...]
    model: NGramModel

    @classmethod
    def fit(cls, windows: Ragged, kinds: tuple[str, ...], setting: Setting) -> Self:
        """See Evidence.fit. windows: tokens."""
        return cls(kinds, fit_ngrams(windows, count_symbols(windows)))

    def width(self, kind: str) -> int:
        """See Evidence.width."""
        return 1

    def read(self, windows: Ragged) -> list[np.ndarray]:
        """See Evidence.read. windows: tokens, any numbers."""
        return [self.model.losses(windows)[:, None]]

    def to_arrays(self) -> Mapping[str, np.ndarray]:
        """See Evidence.to_arrays."""
        return self.model.to_arrays()

    @classmethod
    def from_arrays(cls, arrays: Arrays, kinds: tuple[str, ...], setting: Setting) -> Self:
        """See Evidence.from_arrays."""
        return cls(kinds, NGramModel.from_arrays(arrays))


def count_symbols(sequences: Ragged) -> int:
    """One more than the highest token."""
    return 1 + max(int(sequence.max()) for sequence in sequences)


def fit_ngrams(sequences: Ragged, n_symbols: int, longest: int = MOST_SYMBOLS) -> NGramModel:
    """Count every n-gram of 1..longest symbols.

    sequences: tokens below n_symbols; a step in several windows is counted once.
    """
    symbols, is_start = with_starts(covered(sequences), n_symbols)
    levels, nodes, n_parents = [], np.full(len(symbols), ROOT), 1
    for n in range(longest):
        keys = keys_of(parents_of(nodes, is_start, n), symbols, n_symbols)
        is_known = keys >= 0
        if not is_known.any():
            break
        found, inverse = np.unique(keys[is_known], return_inverse=True)
        counts = np.bincount(inverse, weights=~is_start[is_known], minlength=len(found)).astype(np.int64)
        nodes = np.full(len(symbols), NOWHERE)
        nodes[is_known] = inverse
        levels.append(_level(found, counts, n_parents, n_symbols))
        n_parents = len(found)
    return NGramModel(n_symbols, tuple(levels))


def with_starts(sequences: Ragged, n_symbols: int) -> tuple[np.ndarray, np.ndarray]:
    """Sequences back to back, each after a start, token n_symbols; unknown tokens are NOWHERE.

    Returns (n_steps + n_sequences,) int64, and where the starts are.
    """
    lengths = sequences.lengths + 1
    is_start = np.zeros(int(lengths.sum()), bool)
    is_start[starts_of(lengths)] = True
    symbols = np.full(len(is_start), n_symbols, np.int64)
    values = np.asarray(sequences.compact().values, np.int64)
    symbols[~is_start] = np.where(values < n_symbols, values, NOWHERE)
    return symbols, is_start


def keys_of(parents: np.ndarray, symbols: np.ndarray, n_symbols: int) -> np.ndarray:
    """As Level has them; NOWHERE after an unknown parent and for an unknown symbol. All (n_steps,) int64."""
    return np.where((parents >= 0) & (symbols >= 0), parents * (n_symbols + 1) + symbols, NOWHERE)


def parents_of(nodes: np.ndarray, is_start: np.ndarray, n: int) -> np.ndarray:
    """For each step, the n-gram of the n steps before it, which does not reach across the start of its sequence.

    nodes: (n_steps,) the n-gram of n symbols that ends at each step.
    """
    if n == 0:
        return np.full(len(nodes), ROOT)
    before = np.concatenate([[NOWHERE], nodes[:-1]])
    return np.where(is_start, NOWHERE, before)


def _level(keys: np.ndarray, counts: np.ndarray, n_parents: int, n_symbols: int) -> Level:
    """The level of these n-grams; a start has no parent."""
    parents, is_seen = keys // (n_symbols + 1), counts > 0
    totals = np.bincount(parents, weights=counts, minlength=n_parents).astype(np.int64)
    kinds = np.bincount(parents[is_seen], minlength=n_parents).astype(np.int64)
    return Level(keys, counts, totals, kinds)
