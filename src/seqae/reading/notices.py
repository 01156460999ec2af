"""What was read as one thing and looks like another: one warning that names it, before any work is done on it.

Nothing is changed: data may look so and be right, and a DataWarning can be filtered like any other.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..errors import DataWarning
from ..sequences.ragged import Ragged
from ..sequences.scaling import Spread
from .source import Layout, Source

if TYPE_CHECKING:
    import pyarrow as pa

FEWEST_ROWS = 8
"""Shorter tables tell too little to be doubted."""
_MARKERS = (-99.0, -200.0, -999.0, -9999.0, -99999.0, -32768.0, 999.0, 9999.0, 99999.0, 32767.0, 1e20)
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
            _warn(
                f"column {name!r} looks like the id of several sequences, but all {table.num_rows} rows were read as "
                f"one series; pass id={name!r} (--id {name}) if it tells them apart"
            )
            return
    if layout.time is None and layout.id is None and len(names) > 1:
        for name in names:
            if (why := _looks_like_time(name, _numbers(table, name))) is not None:
                _warn(
                    f"column {name!r} {why}, but was read as a channel; pass time={name!r} (--time {name}), or name "
                    "the other columns with channels= (--channels)"
                )


def notice_arrays(ragged: Ragged) -> None:
    """Warn of arrays that look as if channels came first, and of channels that look like Unix times."""
    n_steps, n_channels = int(ragged.lengths.max(initial=0)), ragged.n_channels
    is_even = len(ragged) > 0 and bool((ragged.lengths == n_steps).all())
    if is_even and 1 < n_steps <= 16 and n_channels >= 8 * n_steps:
        _warn(
            f"every sequence was read as {n_steps} steps of {n_channels} channels; arrays are (n_steps, n_channels), "
            "so transpose them if channels came first"
        )
    values = np.asarray(ragged.values)
    for channel in range(n_channels) if ragged.n_steps >= FEWEST_ROWS and n_channels > 1 else ():
        first = float(values[ragged.starts[0], channel])
        if _unix_unit(first) is not None and _rises(values[:, channel], ragged):
            _warn(
                f"channel {channel} rises like a time in {_unix_unit(first)} since 1970, but was read as a channel; "
                "leave it out, or pass a table with time="
            )


def notice_values(source: Source, spread: Spread) -> None:
    """Warn of values that look like markers of what is missing, and of channels that were given too few digits.

    spread: of the source's sequences.
    """
    for name, value, count in _markers(source, spread):
        _warn(
            f"channel {name!r} holds {value:g} {count} times, far from its other values; if it marks what is missing, "
            "make it NaN and read the data with missing='mask' (--missing mask)"
        )
    step = np.abs(spread.mean) * spread.epsilon
    is_coarse = (spread.high > spread.low) & (spread.deviation < 8 * step)
    precise = "float64" if spread.epsilon > np.finfo(np.float64).eps else "numbers from which an offset was subtracted"
    for k in np.flatnonzero(is_coarse):
        _warn(
            f"channel {source.channel_names[k]!r} varies by {spread.deviation[k]:.3g} around {spread.mean[k]:.6g}, "
            f"where its type holds only steps of {step[k]:.3g}; pass it as {precise}"
        )


def _warn(message: str) -> None:
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


def _markers(source: Source, spread: Spread) -> Iterator[tuple[str, float, int]]:
    """Channels whose least or greatest value is one that often stands for what is missing, and lies apart."""
    for extreme in (spread.low, spread.high):
        for k in np.flatnonzero(np.isin(extreme, np.asarray(_MARKERS, extreme.dtype))):
            marker = float(extreme[k])
            values = np.asarray(source.ragged.values[:, k])[source.ragged.step_indices()]
            is_marker = values == marker
            others = values[~is_marker]
            if not len(others):
                continue
            gap = float(np.abs(others - marker).min())
            is_apart = gap >= others.max() - others.min() and gap >= 10
            is_alone_below = marker < 0 <= others.min() and is_marker.sum() > 1
            if is_apart or is_alone_below:
                yield source.channel_names[k], marker, int(is_marker.sum())
