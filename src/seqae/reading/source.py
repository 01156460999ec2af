"""The results and the arguments of reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, overload

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..sequences.checks import as_numbers
from ..sequences.ragged import Ragged, as_index

MAX_BYTES = 1 << 31
"""What a compressed file may expand to where nothing else is said: 2 GiB."""
ORDINAL = "sequence"
"""The name of the ids if the data have none; ids are then 0, 1, 2, ..."""
VALUE, TOKEN = "value", "token"
"""Names of the channel of a wide table or unnamed series, and of tokens."""


@dataclass(frozen=True, eq=False, slots=True)
class Source:
    """Sequences as read, with ids, times and names for the results.

    ragged: the sequences.
    ids: (n_sequences,), in their own type (text as an object array); 0, 1, 2, ... if there were none.
    times: one per row of ragged.values, numbers or datetime64; None without any. time_zone: where the data had one, its
        name; times are then in UTC.
    channel_names: (n_channels,).
    id_name, time_name: the columns that ids and times came from; time_name is None without times.
    vocabulary: the text of each token; None for vectors, and where tokens came as numbers.

    It is a sequence: its length is the number of sequences, an index gives one of them, (n_steps, n_channels), and a
    slice or an array of indices gives a Source of the chosen ones with their ids and times, as scikit-learn's
    splitters and searches need.
    """

    ragged: Ragged
    ids: np.ndarray
    times: np.ndarray | None
    channel_names: tuple[str, ...]
    id_name: str = ORDINAL
    time_name: str | None = None
    vocabulary: tuple[str, ...] | None = None
    time_zone: str | None = None

    def __len__(self) -> int:
        return len(self.ragged)

    @property
    def shape(self) -> tuple[int]:
        """(n_sequences,), as Ragged's."""
        return self.ragged.shape

    @property
    def is_named(self) -> bool:
        """Whether the channels have names from the data."""
        return not self.ragged.is_tokens and not are_made_up(self.channel_names)

    @overload
    def __getitem__(self, index: int | np.integer) -> Any: ...
    @overload
    def __getitem__(self, index: slice | np.ndarray | Sequence[int]) -> Source: ...
    def __getitem__(self, index: Any) -> Any:
        """Sequence i, or the chosen sequences with their ids; values and times are not copied."""
        if isinstance(index, int | np.integer):
            return self.ragged[index]
        index = as_index(index)
        return replace(self, ragged=self.ragged[index], ids=self.ids[index])

    def __iter__(self) -> Iterator[Any]:
        return iter(self.ragged)


@dataclass(frozen=True, slots=True)
class Layout:
    """The arguments of read() that describe columns.

    columns: the columns that fit() saw; read if all exist and channels is None.
    drop: columns of a table that are not channels.
    max_bytes: what a compressed file may expand to, if that is more than 50 times its size.

    Raises InvalidParameter where they contradict each other.
    """

    id: str | None = None
    time: str | None = None
    channels: tuple[str, ...] | None = None
    wide: bool = False
    missing: Literal["error", "mask"] = "error"
    symbols: Literal["auto", "words", "characters"] | None = None
    columns: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    max_bytes: int = MAX_BYTES

    def __post_init__(self) -> None:
        if self.symbols not in (None, "auto", "words", "characters"):
            raise InvalidParameter(f"symbols must be None, 'auto', 'words' or 'characters', got {self.symbols!r}")
        if self.missing not in ("error", "mask"):
            raise InvalidParameter(f"missing must be 'error' or 'mask', got {self.missing!r}")
        if self.wide and self.time is not None:
            raise InvalidParameter("a wide table has one row per sequence and no time column; drop time= or wide=True")
        if self.channels is not None and not self.channels:
            raise InvalidParameter("channels must name at least one column, got none")
        counts = Counter(name for name in (self.id, self.time, *(self.channels or ())) if name is not None)
        for name, count in counts.items():
            if count > 1:
                raise InvalidParameter(f"column {name!r} is named twice among id=, time= and channels=; name it once")
        if self.max_bytes < 1:
            raise InvalidParameter(f"max_bytes must be at least 1, got {self.max_bytes}", parameter="max_bytes")


def source_of_arrays(X: object, layout: Layout) -> Source:
    """The Source of anything that Ragged.from_any takes; with wide=True, of one (n_sequences, n_steps) array.

    Raises InvalidParameter for id= and time=, which need named columns.
    """
    for name, column in (("id", layout.id), ("time", layout.time)):
        if column is not None:
            raise InvalidParameter(
                f"{name}={column!r} names a column, but X is {type(X).__name__} without named columns; "
                f"pass a data frame or a table, or leave {name} out"
            )
    ragged = _wide(X, layout) if layout.wide else Ragged.from_any(X, missing=layout.missing)
    return numbered(ragged, layout.channels)


def numbered(ragged: Ragged, channel_names: tuple[str, ...] | None = None) -> Source:
    """The Source of sequences without ids. channel_names: (n_channels,); made up if None.

    Raises InvalidParameter if there are not as many names as channels.
    """
    names = default_names(ragged) if channel_names is None else channel_names
    if len(names) != ragged.n_channels:
        raise InvalidParameter(f"channels names {len(names)} channels, but the sequences have {ragged.n_channels}")
    return Source(ragged, np.arange(len(ragged)), None, names)


def default_names(ragged: Ragged) -> tuple[str, ...]:
    """Names for channels that have none."""
    return (TOKEN,) if ragged.is_tokens else _channel_names(ragged.n_channels)


def are_made_up(names: tuple[str, ...]) -> bool:
    """Whether these are default names."""
    return names in ((VALUE,), (TOKEN,), _channel_names(len(names)))


@cache
def _channel_names(n_channels: int) -> tuple[str, ...]:
    return tuple(f"channel_{k}" for k in range(n_channels))


def _wide(X: object, layout: Layout) -> Ragged:
    rows = as_numbers(X, "X")
    if rows.ndim != 2:
        raise InvalidSequence(f"with wide=True an array must be (n_sequences, n_steps), got shape {rows.shape}")
    return Ragged.from_padded(rows[:, :, None], padding_value=np.nan, missing=layout.missing)
