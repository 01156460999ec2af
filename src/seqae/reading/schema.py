"""What fit() saw of the data, and new data brought into that form: channels go by name where both sides have names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ..errors import InvalidSequence
from ..sequences.ragged import Ragged
from .source import Source, are_made_up


@dataclass(frozen=True, slots=True)
class Schema:
    """What new data must have.

    channel_names: (n_channels,), in the order in which the model reads them; made up where the data had none.
    n_symbols: how many tokens there are; None for vectors.
    vocabulary: the text of each token; None where tokens are numbers.
    takes_unknown: whether text that is not in the vocabulary becomes the token after its last.
    keeps_float64: whether a channel is centred before it is rounded to float32.
    """

    channel_names: tuple[str, ...]
    n_symbols: int | None = None
    vocabulary: tuple[str, ...] | None = None
    takes_unknown: bool = False
    keeps_float64: bool = False

    @property
    def n_channels(self) -> int:
        """Values of one step."""
        return len(self.channel_names)

    @property
    def symbols(self) -> Literal["auto", "words", "characters"] | None:
        """How read() is to take new data."""
        if self.n_symbols is None:
            return None
        texts = self.vocabulary or ()
        return "words" if any(len(text) > 1 for text in texts) else "characters" if " " in texts else "auto"

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The columns to read of a table; None where the channels have no names of their own."""
        return None if self.n_symbols is not None or are_made_up(self.channel_names) else self.channel_names


def schema_of(source: Source, n_symbols: int | None) -> Schema:
    """What data to validate a fit on source must have."""
    keeps_float64 = source.ragged.values.dtype == np.float64
    return Schema(source.channel_names, n_symbols, source.vocabulary, keeps_float64=keeps_float64)


def with_channels_of(source: Source, schema: Schema, *, of: str = "fit() saw") -> Source:
    """The channels of the schema, in its order. Where either side has no names, they go by position.

    of: whose channels they are, in words.

    Raises InvalidSequence naming the channel that is missing, or telling how many there must be.
    """
    names, wanted = source.channel_names, schema.channel_names
    if names == wanted or source.ragged.is_tokens or schema.n_symbols is not None:
        return source
    if source.is_named and set(wanted) <= set(names):
        return _picked(source, [names.index(name) for name in wanted], wanted)
    if source.is_named and not are_made_up(wanted):
        missing = next(name for name in wanted if name not in names)
        raise InvalidSequence(
            f"there is no channel {missing!r}, which {of}; the data has {_listed(names)}, and {of} "
            f"{_listed(wanted)}: name the columns alike"
        )
    if len(names) != len(wanted):
        raise InvalidSequence(f"X must have {len(wanted)} channels as {of}, got {len(names)}; choose the same channels")
    return source


def _picked(source: Source, columns: list[int], names: tuple[str, ...]) -> Source:
    ragged = source.ragged
    observed = None if ragged.observed is None else ragged.observed[:, columns]
    picked = Ragged.view(ragged.values[:, columns], ragged.starts, ragged.lengths, observed)
    return replace(source, ragged=picked, channel_names=names)


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
