"""What counting says about sequences of symbols, as columns of numbers per step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..sequences.ragged import Ragged
from .bags import Bags, Content, fit_bags
from .ngrams import NGramModel, fit_ngrams

NGRAM, SYMBOLS, PAIRS = "ngram", "symbols", "pairs"
CONTENTS: Mapping[str, Content] = {SYMBOLS: "symbols", PAIRS: "pairs"}


@dataclass(frozen=True, slots=True, eq=False)
class SymbolSensor:
    """Counts of symbols: columns "ngram" (or "reconstruction", where it stands in for the autoencoder), the
    cross-entropy of each step; "symbols" and "pairs", the distance of each sequence to the nearest normal one.
    """

    ngrams: NGramModel | None
    bags: Mapping[str, Bags]
    kinds: tuple[str, ...]

    @property
    def reads_tokens(self) -> bool:
        """Always; as the other sensors' tells tokens from vectors."""
        return True

    def width(self, kind: str) -> int:
        """How many columns a kind has."""
        return 1

    def read(self, windows: Ragged) -> np.ndarray:
        """The columns of all kinds, side by side. windows: tokens, any numbers. Returns (n_steps, n_columns)."""
        return np.stack([self._column(kind, windows) for kind in self.kinds], axis=1)

    def _column(self, kind: str, windows: Ragged) -> np.ndarray:
        if kind in self.bags:
            return np.repeat(self.bags[kind].distances(windows), windows.lengths)
        if self.ngrams is None:
            raise ValueError(f"there are no n-grams for the column {kind!r}")
        return self.ngrams.losses(windows)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """All of it but the kinds, as arrays by name."""
        parts = {kind: bags.to_tensors() for kind, bags in self.bags.items()}
        if self.ngrams is not None:
            parts[NGRAM] = self.ngrams.to_tensors()
        return {f"{kind}.{name}": array for kind, tensors in parts.items() for name, array in tensors.items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], kinds: tuple[str, ...]) -> SymbolSensor:
        """What to_tensors() was called on."""

        def below(kind: str) -> dict[str, np.ndarray]:
            prefix = f"{kind}."
            return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}

        bags = {kind: Bags.from_tensors(CONTENTS[kind], below(kind)) for kind in kinds if kind in CONTENTS}
        has_ngrams = any(kind not in CONTENTS for kind in kinds)
        return cls(NGramModel.from_tensors(below(NGRAM)) if has_ngrams else None, bags, kinds)


def fit_symbols(windows: Ragged, kinds: tuple[str, ...]) -> SymbolSensor:
    """Count what normal sequences of tokens hold."""
    n_symbols = 1 + max(int(sequence.max()) for sequence in windows)
    bags = {kind: fit_bags(windows, CONTENTS[kind], n_symbols) for kind in kinds if kind in CONTENTS}
    has_ngrams = any(kind not in CONTENTS for kind in kinds)
    return SymbolSensor(fit_ngrams(windows, n_symbols) if has_ngrams else None, bags, kinds)
