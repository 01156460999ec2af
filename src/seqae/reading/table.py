"""A table with named columns as sequences: long (one row per step) or wide (one row per sequence)."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..sequences.checks import kept_dtype, unusable, unusable_channel, unusable_rows
from ..sequences.ragged import Ragged
from .combining import combined
from .grouping import Grouping, decoded, group, one_series, refuse_missing
from .lists import has_lists, lists_of_symbols, source_of_list_table
from .markers import without_markers
from .source import ORDINAL, VALUE, Layout, Source, notice_columns, warn
from .times import times_of

if TYPE_CHECKING:
    import pyarrow as pa


def source_of_table(table: pa.Table, layout: Layout) -> Source:
    """The sequences of a table.

    Raises InvalidParameter for a column that does not exist, InvalidSequence for invalid values.
    """
    _check_index(table, layout)
    table = without_markers(combined(without_index(table, layout), layout), layout)
    check_columns(table, layout)
    if has_lists(table, layout):
        return _of_lists(table, layout)
    if layout.symbols is not None:
        from .symbols import source_of_symbol_table

        return source_of_symbol_table(table, channel_columns(table, layout), layout)
    return _wide(table, layout) if layout.wide else _long(table, layout)


def _of_lists(table: pa.Table, layout: Layout) -> Source:
    if layout.symbols is None:
        return source_of_list_table(table, layout)
    from .symbols import source_of_lists

    parts, ids, id_name = lists_of_symbols(table, layout)
    return replace(source_of_lists(parts, layout), ids=ids, id_name=id_name)


def source_of_groups(table: pa.Table, layout: Layout, grouping: Grouping) -> Source:
    """The sequences of a long table with grouped rows; layout.id is ignored."""
    names = channel_columns(table, layout)
    times, time_zone = times_of(table, layout, grouping)
    values = matrix(table, names, _dtype_of(table, names), grouping)
    _check_values(values, table, names, layout, grouping)
    ragged = Ragged.view(values, grouping.starts, grouping.lengths)
    if layout.treatment == "mask" and (is_nan := np.isnan(values)).any():
        ragged = Ragged.view(np.where(is_nan, values.dtype.type(0), values), ragged.starts, ragged.lengths, ~is_nan)
    return Source(ragged, grouping.ids, times, names, grouping.id_name, layout.time, time_zone=time_zone)


def check_columns(table: pa.Table, layout: Layout) -> None:
    """Raise unless the columns to read have unique names, all named columns exist, and there are rows."""
    counts = Counter(table.column_names)
    named = [name for name in (layout.id, layout.time, *(layout.channels or ())) if name is not None]
    for name in named:
        if name not in counts:
            raise InvalidParameter(f"there is no column {name!r}; {_suggestion(name, table.column_names)}")
    for name in named if layout.channels or columns_of_fit(table, layout) else counts:
        if counts[name] > 1:
            raise InvalidSequence(f"column {name!r} occurs twice; give every column a name of its own")
    if table.num_rows == 0:
        raise InvalidSequence("the table has no rows; it needs at least one")


def channel_columns(table: pa.Table, layout: Layout) -> tuple[str, ...]:
    """The value columns: those named, or all but id and time."""
    names = layout.channels or columns_of_fit(table, layout)
    names = names or tuple(name for name in table.column_names if name not in (layout.id, layout.time, *layout.drop))
    if not names:
        raise InvalidSequence("no column is left to be a channel; the table needs one besides id and time")
    if layout.channels is None and (nameless := next(filter(_is_nameless, names), None)) is not None:
        raise InvalidSequence(
            f"a column has no name{f' of its own ({nameless!r})' if nameless else ''}, as an index written to CSV has "
            "none; name the channels with channels=[...], or write the file without its index"
        )
    return _with_numbers(table, names) if layout.skips_others else names


def _with_numbers(table: pa.Table, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those that hold numbers, if any do; a warning tells what the others hold."""
    faults: dict[str, str] = {}
    for name in names:
        try:
            _numeric(table[name], name)
        except InvalidSequence as error:
            faults[name] = str(error).partition(";")[0]
    if len(faults) == len(names):
        return names
    for fault in faults.values():
        warn(f"{fault}; left out here, for channels are numbers: name the others with --channels, or this one as --id")
    return tuple(name for name in names if name not in faults)


def _is_nameless(name: str) -> bool:
    """Whether a column has no name, or the one that pandas gives to such columns."""
    return re.fullmatch(r"|Unnamed: \d+(_level_\d+)?", name) is not None


def columns_of_fit(table: pa.Table, layout: Layout) -> tuple[str, ...] | None:
    """The columns that fit() saw, if all exist; other columns are ignored."""
    wanted = layout.columns
    if wanted is None or layout.wide or layout.symbols is not None or {layout.id, layout.time}.intersection(wanted):
        return None
    counts = Counter(table.column_names)
    return wanted if all(counts[name] == 1 for name in wanted) else None


def matrix(table: pa.Table, names: Iterable[str], dtype: type, grouping: Grouping | None = None) -> np.ndarray:
    """Columns as a matrix, (n_rows, n_columns), in grouped order; missing is NaN."""
    names = tuple(names)
    columns = (_numeric(table[name], name).to_numpy() for name in names)
    if grouping is not None:
        columns = (grouping.arrange(column) for column in columns)
    with np.errstate(over="ignore"):  # checked afterwards, when the original value can be named
        if len(names) == 1:
            return np.asarray(next(columns)[:, None], dtype)
        values = np.empty((table.num_rows, len(names)), dtype)
        for k, column in enumerate(columns):
            values[:, k] = column
    return values


def _dtype_of(table: pa.Table, names: Iterable[str]) -> type:
    """float32 if it holds every value of the columns, else float64."""
    types = {_numeric(table[name], name).type for name in names}
    return np.float64 if any(kept_dtype(kind.to_pandas_dtype()) is np.float64 for kind in types) else np.float32


def without_index(table: pa.Table, layout: Layout) -> pa.Table:
    """The table without the columns that pandas added for its index, except those that the layout names."""
    metadata = table.schema.pandas_metadata or {}
    named = {layout.id, layout.time, *(layout.channels or ())}
    index = [name for name in metadata.get("index_columns", ()) if isinstance(name, str) and name not in named]
    return table.drop_columns([name for name in index if name in set(table.column_names)])


def _check_index(table: pa.Table, layout: Layout) -> None:
    """Raise InvalidSequence where the levels of a pandas index, which is left out, would tell sequences apart."""
    levels = (table.schema.pandas_metadata or {}).get("index_columns", ())
    names = [name for name in levels if isinstance(name, str)]
    if len(names) > 1 and layout.id is None and not layout.wide:
        raise InvalidSequence(
            f"the rows have an index of {len(names)} levels, {', '.join(map(repr, names))}, which would be left out; "
            f"pass id={names[0]!r} if it tells sequences apart, or reset_index(drop=True) if all rows are one series"
        )


def _long(table: pa.Table, layout: Layout) -> Source:
    grouping = one_series(table.num_rows) if layout.id is None else group(table[layout.id], layout.id)
    source = source_of_groups(table, layout, grouping)
    notice_columns(table, source.channel_names, layout)
    return source


def _wide(table: pa.Table, layout: Layout) -> Source:
    rows = matrix(table, channel_columns(table, layout), np.float64)  # (n_sequences, n_steps)
    ragged = Ragged.from_padded(rows[:, :, None], padding_value=np.nan, missing=layout.treatment)
    if layout.id is None:
        return Source(ragged, np.arange(len(ragged)), None, (VALUE,))
    ids = decoded(table[layout.id])
    refuse_missing(ids, layout.id)
    return Source(ragged, ids.to_numpy(), None, (VALUE,), layout.id)


def _check_values(
    values: np.ndarray, table: pa.Table, names: tuple[str, ...], layout: Layout, grouping: Grouping
) -> None:
    allow_nan = layout.treatment == "mask"
    for place in unusable_rows(values, allow_nan=allow_nan)[:1]:
        name = names[unusable_channel(values[place], allow_nan=allow_nan)]
        sequence, row = grouping.sequence(place), grouping.row(place)
        where = f"step {place - grouping.starts[sequence]}, channel {name!r}"
        if grouping.id_name != ORDINAL or len(grouping.ids) > 1:
            where = f"{grouping.name(sequence)}, {where}"
        raise unusable(f"{where} (row {row})", table[name][row].as_py())


def _numeric(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """The column in a NumPy type, with null for missing values."""
    import pyarrow as pa

    column = decoded(column)
    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column
    if pa.types.is_boolean(kind):
        return column.cast(pa.uint8())
    if pa.types.is_decimal(kind) or pa.types.is_null(kind):
        return column.cast(pa.float64())
    raise InvalidSequence(_not_numeric(column, name))


def _not_numeric(column: pa.ChunkedArray, name: str) -> str:
    remedy = "channels are numbers: pass it as id= or time=, name the channels with channels=[...], or mend the value"
    remedy += "; symbols are for architecture='tokens' or symbols='auto'"
    for row, value in enumerate(column):
        text = value.as_py()
        if text is not None and not _is_number(text):
            shown = repr(text) if isinstance(text, str) else str(text)
            shown = shown if len(shown) <= 40 else shown[:37] + "..."
            return f"column {name!r}, row {row} is {shown}, of type {column.type}; {remedy}"
    return f"column {name!r} holds {column.type} instead of numbers; {remedy}"


def _is_number(text: object) -> bool:
    """Whether a value is a number as files spell them: Python also takes 1_000, NAN and full-width digits."""
    try:
        float(text)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        return False
    return not isinstance(text, str) or re.fullmatch(r"\s*[-+.\d]+(e[-+]?\d+)?\s*", text, re.ASCII | re.I) is not None


def _suggestion(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    near = near or [other for other in names if other.lower() == name.lower()]
    if near:
        return f"did you mean {near[0]!r}?"
    shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
    return f"the columns are {shown}"
