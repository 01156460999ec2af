"""Tables with a list in each cell: one row per sequence, one column of lists per channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..sequences.ragged import Ragged, starts_of
from .grouping import Grouping, decoded, refuse_missing
from .source import ORDINAL, Layout, Source, default_names
from .times import times_of

if TYPE_CHECKING:
    import pyarrow as pa

ID = "id"
"""The column of ids, if there is one of that name and no other is told."""


def has_lists(table: pa.Table, layout: Layout) -> bool:
    """Whether the channels of a table are lists, so that a row is a whole sequence."""
    return not layout.wide and any(
        _is_list(field.type) for field in table.schema if layout.channels is None or field.name in layout.channels
    )


def source_of_list_table(table: pa.Table, layout: Layout) -> Source:
    """One sequence per row. A cell is the values of one channel or, in the only such column, a list of steps.

    Columns that hold no lists tell something of a sequence and are no channels; one of them may be the id.

    Raises InvalidSequence where the lists of a row differ in length, InvalidParameter for a column that is no list.
    """
    names = _channel_names(table, layout)
    columns = [_flat(table, name) for name in names]
    _, lengths = columns[0]
    for name, (_, counts) in zip(names, columns, strict=True):
        _check_lengths(counts, lengths, name, names[0])
    values = np.concatenate([block for block, _ in columns], axis=1)
    ragged = Ragged.checked(values, starts_of(lengths), lengths, layout.treatment)
    ids, id_name = _ids(table, layout)
    times, zone = _times(table, layout, Grouping(ids, lengths, id_name=id_name))
    own_names = names if len(names) == values.shape[1] else default_names(ragged)
    return Source(ragged, ids, times, own_names, id_name, layout.time, time_zone=zone)


def lists_of_symbols(table: pa.Table, layout: Layout) -> tuple[list[object], np.ndarray, str]:
    """The lists in the only column of them, the ids of the rows, and the name of these."""
    names = _channel_names(table, layout)
    if len(names) != 1:
        raise InvalidSequence(f"symbols stand in one column, but {', '.join(names)} are lists; name it with channels=")
    (name,) = names
    return table[name].to_pylist(), *_ids(table, layout)


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _channel_names(table: pa.Table, layout: Layout) -> tuple[str, ...]:
    kinds = {field.name: field.type for field in table.schema}
    of_fit = layout.columns if layout.columns is not None and set(layout.columns) <= set(kinds) else None
    lists = tuple(name for name, kind in kinds.items() if _is_list(kind) and name not in (layout.time, *layout.drop))
    names = layout.channels or of_fit or lists
    if not names:
        raise InvalidSequence("no column of lists is left to be a channel; the table needs one besides the times")
    for name in names:
        if not _is_list(kinds[name]):
            raise InvalidParameter(f"column {name!r} holds {kinds[name]}, but other channels hold a list in each cell")
    return names


def _flat(table: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The values of a column of lists, (n_steps, n_values), and how many steps each row has, (n_rows,)."""
    inner, lengths = _flattened(table[name], name)
    if not _is_list(inner.type):
        return _numbers(inner, name)[:, None], lengths
    counts = np.asarray(inner.value_lengths())
    if inner.null_count or len(np.unique(counts)) > 1:
        raise InvalidSequence(f"column {name!r} holds steps of different numbers of values; make them alike")
    return _numbers(inner.flatten(), name).reshape(len(counts), -1), lengths


def _flattened(column: pa.ChunkedArray, name: str) -> tuple[pa.Array, np.ndarray]:
    import pyarrow as pa

    refuse_missing(column, name)
    whole = pa.concat_arrays(column.chunks)
    lengths = np.asarray(whole.value_lengths()).astype(np.int64)
    if not lengths.all():
        raise InvalidSequence(f"row {int(np.argmin(lengths))} has no steps; drop it, or give it at least one step")
    return whole.flatten(), lengths


def _check_lengths(counts: np.ndarray, lengths: np.ndarray, name: str, first: str) -> None:
    if np.array_equal(counts, lengths):
        return
    row = int(np.argmax(counts != lengths))
    raise InvalidSequence(
        f"row {row}: {name!r} has {counts[row]} steps, but {first!r} has {lengths[row]}; every channel of a sequence "
        "has the same steps"
    )


def _numbers(values: pa.Array, name: str) -> np.ndarray:
    import pyarrow as pa

    kind = values.type
    if pa.types.is_boolean(kind):
        values = values.cast(pa.uint8())
    elif pa.types.is_null(kind) or pa.types.is_decimal(kind):
        values = values.cast(pa.float64())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise InvalidSequence(f"column {name!r} holds lists of {kind} instead of numbers; symbols='auto' reads symbols")
    return values.to_numpy(zero_copy_only=False)


def _ids(table: pa.Table, layout: Layout) -> tuple[np.ndarray, str]:
    has_own = ID in table.column_names and not _is_list(table.schema.field(ID).type)
    name = layout.id or (ID if has_own else None)
    if name is None:
        return np.arange(table.num_rows), ORDINAL
    column = decoded(table[name])
    refuse_missing(column, name)
    return column.to_numpy(), name


def _times(table: pa.Table, layout: Layout, grouping: Grouping) -> tuple[np.ndarray | None, str | None]:
    """As times_of(), of a column with the times of all steps in each cell."""
    import pyarrow as pa

    name = layout.time
    if name is None:
        return None, None
    if not _is_list(table.schema.field(name).type):
        raise InvalidParameter(f"time={name!r} must be a column with a list of times for each sequence")
    times, counts = _flattened(table[name], name)
    _check_lengths(counts, grouping.lengths, name, "the first channel")
    return times_of(pa.table({name: times}), layout, grouping)
