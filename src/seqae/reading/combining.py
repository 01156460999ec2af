"""Ids and times that stand in several columns, made one: `--id patient,visit`, `--time Date,Time`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidSequence
from .grouping import decoded, refuse_missing
from .source import Layout

if TYPE_CHECKING:
    import pyarrow as pa

_UNITS = {"year": "Y", "month": "M", "day": "D", "hour": "h", "minute": "m", "second": "s"}


def parts_of(name: str | None, columns: list[str]) -> tuple[str, ...]:
    """The columns that a name stands for: one of that name or, where there is none, those between its commas."""
    if name is None:
        return ()
    if name in columns or "," not in name:
        return (name,)
    parts = tuple(part.strip() for part in name.split(","))
    return parts if set(parts) <= set(columns) else (name,)


def combined(table: pa.Table, layout: Layout) -> pa.Table:
    """The table with one id and one time column, in place of those that they stand in.

    The parts of an id are joined by commas. Of times, either the first part is a date and the others a time of day,
    or a count of hours; or all are counts, from the year down, as column names such as year, month, day say.
    """
    ids, times = parts_of(layout.id, table.column_names), parts_of(layout.time, table.column_names)
    if len(ids) > 1 and layout.id is not None:
        table = table.append_column(layout.id, _joined(table, ids, ",")).drop_columns([*ids])
    if len(times) > 1 and layout.time is not None:
        table = table.append_column(layout.time, _times(table, times)).drop_columns([*times])
    return table


def _joined(table: pa.Table, names: tuple[str, ...], separator: str) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [_text(table, name) for name in names]
    between = pa.scalar(separator, pa.large_string())
    return pc.binary_join_element_wise(*texts, between)  # pyright: ignore[reportAttributeAccessIssue]


def _text(table: pa.Table, name: str) -> pa.ChunkedArray:
    import pyarrow as pa

    column = decoded(table[name])
    refuse_missing(column, name)
    try:
        return column.cast(pa.large_string())
    except pa.ArrowException as error:
        raise InvalidSequence(
            f"column {name!r} holds {column.type}, which cannot be part of an id or a time"
        ) from error


def _times(table: pa.Table, names: tuple[str, ...]) -> pa.ChunkedArray:
    import pyarrow as pa

    kinds = [decoded(table[name]).type for name in names]
    if all(name.lower() in _UNITS for name in names) and all(map(pa.types.is_integer, kinds)):
        return pa.chunked_array([pa.array(_counted(table, names))])
    date = decoded(table[names[0]])
    if pa.types.is_timestamp(date.type):  # as spreadsheets keep dates
        table = table.set_column(table.column_names.index(names[0]), names[0], date.cast(pa.date32()))
    if len(names) == 2 and pa.types.is_integer(kinds[1]):
        hours = decoded(table[names[1]])
        refuse_missing(hours, names[1])
        clock = pa.chunked_array([pa.array([f"{hour:02}:00:00" for hour in hours.to_pylist()], pa.large_string())])
        table = table.set_column(table.column_names.index(names[1]), names[1], clock)
    return _joined(table, names, " ")


def _counted(table: pa.Table, names: tuple[str, ...]) -> np.ndarray:
    """(n_rows,) datetime64[s] of counts of years, months, days, hours, minutes and seconds."""
    counts = {}
    for name in names:
        column = decoded(table[name])
        refuse_missing(column, name)
        counts[name.lower()] = column.to_numpy().astype(np.int64)
    if "year" not in counts:
        raise InvalidSequence(f"columns {', '.join(names)} have no year; name that column too")
    times = (counts.pop("year") - 1970).astype("M8[Y]").astype("M8[M]")
    times = (times + (counts.pop("month", np.ones(1, np.int64)) - 1)).astype("M8[D]")
    times = (times + (counts.pop("day", np.ones(1, np.int64)) - 1)).astype("M8[s]")
    for name, count in counts.items():
        times = times + count.astype(f"m8[{_UNITS[name]}]")
    return times
