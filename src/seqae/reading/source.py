"""The results and the arguments of reading."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from ..errors import DataWarning, InvalidParameter, InvalidSequence
from ..sequences.checks import as_numbers
from ..sequences.ragged import Ragged, as_index

if TYPE_CHECKING:
    import pyarrow as pa


FEWEST_ROWS = 8
"""Shorter tables tell too little to be doubted."""
_ID_NAME = re.compile(
    r"(.*[_ ])?(id|ids|uid|uuid|unit|engine|machine|device|sensor|subject|patient|person|user|customer|session|series"
    r"|sequence|seq|trial|episode|run|case|group|utterance|speaker|sample|walk|trajectory)|.*[a-z]Id",
    re.IGNORECASE,
)
_TIME_NAME = re.compile(
    r"(.*[_ ])?(t|ts|time|times|timestamp|date|datetime|clock|cycle|cycles|step|steps|index|idx|second|seconds|minute"
    r"|hour|day|frame|row)|unix.*",
    re.IGNORECASE,
)
_UNIX_UNITS = {"seconds": 1.0, "milliseconds": 1e3, "microseconds": 1e6}
_UNIX_YEARS = (9.4e8, 2.3e9)  # seconds from 1970 to 2000, and to 2043


def notice_columns(table: pa.Table, names: tuple[str, ...], layout: Layout) -> None:
    """Warn of columns of a long table without id= that look like ids, and of channels that look like times.

    names: of the channels.
    """
    if table.num_rows < FEWEST_ROWS:
        return
    if layout.id is None:
        for name in _id_columns(table, layout):
            warn(
                f"column {name!r} looks like the id of several sequences, but all {table.num_rows} rows were read as "
                f"one series; pass id={name!r} (--id {name}) if it tells them apart"
            )
            return
    if layout.time is None and layout.id is None and len(names) > 1:
        for name in names:
            if (why := _looks_like_time(name, _numbers(table, name))) is not None:
                warn(
                    f"column {name!r} {why}, but was read as a channel; pass time={name!r} (--time {name}), or name "
                    "the other columns with channels= (--channels)"
                )


def notice_arrays(ragged: Ragged) -> None:
    """Warn of arrays that look as if channels came first, and of channels that look like Unix times."""
    n_steps, n_channels = int(ragged.lengths.max(initial=0)), ragged.n_channels
    is_even = len(ragged) > 0 and bool((ragged.lengths == n_steps).all())
    if is_even and 1 < n_steps <= 16 and n_channels >= 8 * n_steps:
        warn(
            f"every sequence was read as {n_steps} steps of {n_channels} channels; arrays are (n_steps, n_channels), "
            "so pass channels_first=True to read() if channels came first"
        )
    values = np.asarray(ragged.values)
    for channel in range(n_channels) if ragged.n_steps >= FEWEST_ROWS and n_channels > 1 else ():
        first = float(values[ragged.starts[0], channel])
        if _unix_unit(first) is not None and _rises(values[:, channel], ragged):
            warn(
                f"channel {channel} rises like a time in {_unix_unit(first)} since 1970, but was read as a channel; "
                "leave it out, or pass a table with time="
            )


def warn(message: str) -> None:
    """Tell the user of data that may be meant otherwise."""
    warnings.warn(message, DataWarning, stacklevel=2)


def _id_columns(table: pa.Table, layout: Layout) -> Iterator[str]:
    """Columns that stay the same over stretches of rows and never come back, and are named like ids or count up while
    another column begins anew.
    """
    import pyarrow as pa

    for name in table.column_names if len(set(table.column_names)) == table.num_columns else ():
        kind = table[name].type
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)
        if name == layout.time or not (is_text or pa.types.is_integer(kind)):
            continue
        firsts = _stretches(table[name])
        if firsts is None:
            continue
        if _ID_NAME.fullmatch(name) or (not is_text and any(_restarts(table, other, firsts) for other in table.schema)):
            yield name


def _stretches(column: pa.ChunkedArray) -> np.ndarray | None:
    """Where each stretch of one value starts; None if there is one stretch, a value comes back, or all differ."""
    codes = column.combine_chunks().dictionary_encode()
    codes = codes.indices.to_numpy(zero_copy_only=False) if column.null_count == 0 else np.zeros(1)
    firsts = np.append(0, np.flatnonzero(codes[1:] != codes[:-1]) + 1)
    is_plausible = 2 <= len(firsts) <= len(codes) // 2 and len(firsts) == 1 + int(codes.max())
    return firsts if is_plausible else None


def _restarts(table: pa.Table, field: pa.Field, firsts: np.ndarray) -> bool:
    """Whether an integer column rises within each stretch and falls wherever a new one begins."""
    import pyarrow as pa

    if not pa.types.is_integer(field.type) or table[field.name].null_count:
        return False
    values = table[field.name].to_numpy()
    has_risen = values[1:] > values[:-1]
    is_first = np.zeros(len(values), bool)
    is_first[firsts] = True
    return bool((has_risen == ~is_first[1:]).all())


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    import pyarrow as pa

    column = table[name]
    is_number = pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    return column.to_numpy() if is_number else np.zeros(0)


def _looks_like_time(name: str, values: np.ndarray) -> str | None:
    """Why a column seems to be the time, in words; None if it does not."""
    if len(values) < FEWEST_ROWS or not (values[1:] > values[:-1]).all():
        return None
    if (unit := _unix_unit(float(values[0]))) is not None:
        return f"rises like a time in {unit} since 1970"
    counts = values.dtype.kind in "iu" and (np.diff(values) == values[1] - values[0]).all()
    return "rises evenly like a time" if counts else "is named and rises like a time" if _is_time_name(name) else None


def _is_time_name(name: str) -> bool:
    return _TIME_NAME.fullmatch(name) is not None


def _unix_unit(value: float) -> str | None:
    for unit, factor in _UNIX_UNITS.items():
        if _UNIX_YEARS[0] * factor <= value <= _UNIX_YEARS[1] * factor:
            return unit
    return None


def _rises(values: np.ndarray, ragged: Ragged) -> bool:
    """Whether a channel rises within every sequence. values: (n_rows,)."""
    rows = ragged.step_indices()
    rises = values[rows[1:]] > values[rows[:-1]]
    return bool((rises | (ragged.step_numbers()[1:] == 0)).all())


MAX_BYTES = 1 << 31
"""What a compressed file may expand to where nothing else is said: 2 GiB."""
Unknown = Literal["error", "skip", "token"]
ORDINAL = "sequence"
"""The name of the ids if the data have none; ids are then 0, 1, 2, ..."""
VALUE, TOKEN = "value", "token"
"""Names of the channel of a wide table or unnamed series, and of tokens."""


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Source:
    """Sequences as read, with ids, times and names for the results.

    ragged: the sequences.
    ids: (n_sequences,), in their own type (text as an object array); 0, 1, 2, ... if there were none.
    times: one per row of ragged.values, numbers or datetime64; None without any. time_zone: where the data had one, its
        name; times are then in UTC.
    channel_names: (n_channels,).
    id_name, time_name: the columns that ids and times came from; time_name is None without times.
    vocabulary: the text of each token; None for vectors, and where tokens came as numbers.
    unknown: what a model does with steps whose symbol it does not know: "error" refuses them, "skip" leaves them out,
        "token" takes them as one token, which fit() learns from symbols that occur once.

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
    unknown: Unknown = "error"

    def __len__(self) -> int:
        return len(self.ragged)

    def __repr__(self) -> str:
        names = ", ".join(self.channel_names[:5]) + (", ..." if len(self.channel_names) > 5 else "")
        times = "" if self.times is None else f", times from {self.time_name}"
        return f"Source({self.ragged!r}, ids from {self.id_name}{times}, channels {names})"

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

    def windows(self, length: int, stride: int = 1) -> Source:
        """Every window of `length` steps, `stride` apart, as Ragged.windows(); each has the id of its sequence.

        Values and times are not copied. Warns (DataWarning) of sequences shorter than `length`, which have none.

        Raises InvalidSequence if all are shorter, InvalidParameter unless length and stride are 1 or more.

        >>> from seqae import read
        >>> windows = read([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0]]).windows(3)
        >>> [window.ravel().tolist() for window in windows], windows.ids.tolist()
        ([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0], [5.0, 6.0, 7.0]], [0, 0, 1])
        """
        ragged = self.ragged.windows(length, stride)
        is_long = self.ragged.lengths >= length
        if not len(ragged):
            raise InvalidSequence(f"no sequence has {length} steps; the longest has {int(self.ragged.lengths.max())}")
        if not is_long.all():
            i = int(np.argmin(is_long))
            warn(
                f"{np.count_nonzero(~is_long)} of {len(self)} sequences are shorter than window={length} and were left "
                f"out, the first of them {self.id_name} {self.ids[i]}, of {self.ragged.lengths[i]} steps"
            )
        counts = np.where(is_long, -(-(self.ragged.lengths - length) // stride) + 1, 0)
        return replace(self, ragged=ragged, ids=np.repeat(self.ids, counts))

    def split_late(self, fraction: float, least: int) -> tuple[Source, Source | None]:
        """Each sequence cut in two: all but the last fraction of its steps, and these, if both have `least` steps.

        None for the second if no sequence is long enough to be cut.
        """
        lengths = self.ragged.lengths
        late = np.maximum(np.ceil(fraction * lengths).astype(np.int64), least if fraction else 0)
        late = np.where(lengths - late >= least, late, 0)
        cut = np.flatnonzero(late)
        values, starts, observed = self.ragged.values, self.ragged.starts, self.ragged.observed
        first = replace(self, ragged=Ragged.view(values, starts, lengths - late, observed))
        if not len(cut):
            return first, None
        rest = Ragged.view(values, (starts + lengths - late)[cut], late[cut], observed)
        return first, replace(self, ragged=rest, ids=self.ids[cut])


@dataclass(frozen=True, slots=True)
class Layout:
    """The arguments of read() that describe columns.

    missing: None masks what is missing, and a warning says so; "mask" says nothing.
    columns: the columns that fit() saw; read if all exist and channels is None.
    drop: columns of a table that are not channels.
    time_format: how times are written, as for strptime, or s, ms, us or ns for numbers since 1970.
    max_bytes: what a compressed file may expand to, if that is more than 50 times its size.
    header, names, decimal: of text tables: whether line 1 names the columns, their names if none does, and the sign
        before fractions; None finds it.
    na: what marks a missing value, besides the usual.
    unknown: as in Source.
    skips_others: whether columns without numbers are left out, with a warning that says what they hold.

    Raises InvalidParameter where they contradict each other.
    """

    id: str | None = None
    time: str | None = None
    channels: tuple[str, ...] | None = None
    wide: bool = False
    missing: Literal["mask", "error"] | None = None
    symbols: Literal["auto", "words", "characters"] | None = None
    columns: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    time_format: str | None = None
    max_bytes: int = MAX_BYTES
    header: bool = True
    names: tuple[str, ...] | None = None
    decimal: Literal[".", ","] | None = None
    na: tuple[str, ...] = ()
    unknown: Unknown = "error"
    skips_others: bool = False

    def __post_init__(self) -> None:
        if self.symbols not in (None, "auto", "words", "characters"):
            raise InvalidParameter(f"symbols must be None, 'auto', 'words' or 'characters', got {self.symbols!r}")
        if self.unknown not in ("error", "skip", "token"):
            raise InvalidParameter(
                f"unknown must be 'error', 'skip' or 'token', got {self.unknown!r}", parameter="unknown"
            )
        if self.missing not in (None, "mask", "error"):
            raise InvalidParameter(f"missing must be None, 'mask' or 'error', got {self.missing!r}")
        if self.wide and self.time is not None:
            raise InvalidParameter("a wide table has one row per sequence and no time column; drop time= or wide=True")
        if self.channels is not None and not self.channels:
            raise InvalidParameter("channels must name at least one column, got none")
        counts = Counter(name for name in (self.id, self.time, *(self.channels or ())) if name is not None)
        for name, count in counts.items():
            if count > 1:
                raise InvalidParameter(f"column {name!r} is named twice among id=, time= and channels=; name it once")
        if self.time_format is not None and self.time is None:
            raise InvalidParameter("time_format is of times; name their column with time=", parameter="time_format")
        if self.decimal not in (None, ".", ","):
            raise InvalidParameter(f"decimal must be '.' or ',', got {self.decimal!r}", parameter="decimal")
        if self.names is not None and len(set(self.names)) < len(self.names):
            raise InvalidParameter(f"names must differ, got {', '.join(self.names)}", parameter="names")
        if self.max_bytes < 1:
            raise InvalidParameter(f"max_bytes must be at least 1, got {self.max_bytes}", parameter="max_bytes")

    @property
    def treatment(self) -> Literal["mask", "error"]:
        """What is done about missing values."""
        return "mask" if self.missing is None else self.missing


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
    ragged = _wide(X, layout) if layout.wide else Ragged.from_any(X, missing=layout.treatment)
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
    return Ragged.from_padded(rows[:, :, None], padding_value=np.nan, missing=layout.treatment)
