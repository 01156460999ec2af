"""Data frames of any library as Arrow tables, through narwhals: no data frame library is required."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from .grouping import Grouping
from .source import VALUE, Layout, Source
from .table import check_columns, columns_of_fit, source_of_groups, without_index

if TYPE_CHECKING:
    import narwhals as nw
    import pyarrow as pa


def to_table(X: object) -> pa.Table | None:
    """The frame or series X as an Arrow table; None if it is neither.

    Raises InvalidSequence for columns of mixed types and for two columns of one name.
    """
    import narwhals as nw
    import pyarrow as pa

    if isinstance(X, pa.RecordBatch):
        return pa.Table.from_batches([X])
    if isinstance(X, pa.Table):
        return X
    try:
        frame = nw.from_native(X, pass_through=True, allow_series=True)
        if isinstance(frame, nw.LazyFrame):
            frame = frame.collect()
        if isinstance(frame, nw.Series):
            frame = frame.alias(frame.name or VALUE).to_frame()
        if not isinstance(frame, nw.DataFrame):
            return None
        _refuse_objects(frame)
        return frame.to_arrow()
    except (pa.ArrowException, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise InvalidSequence(
            f"the data frame cannot be read: {reason}; give every column one name and type"
        ) from error


def _refuse_objects(frame: nw.DataFrame[Any]) -> None:
    """polars hands Python objects on as the addresses where they lie."""
    import narwhals as nw

    if not frame.implementation.is_polars():
        return
    for name, kind in frame.schema.items():
        if kind == nw.Object:
            raise InvalidSequence(f"column {name!r} is of type Object; cast it to numbers or text, or drop it")


def source_of_frames(frames: Sequence[object], layout: Layout) -> Source | None:
    """The Source of a list of data frames, one sequence each; None if the first is not a data frame.

    Raises InvalidSequence unless all have the columns of the first, in any order.
    """
    first = to_table(frames[0])
    if first is None:
        return None
    if layout.id is not None or layout.wide:
        raise InvalidParameter("in a list of data frames each is one sequence; leave id= and wide= out, or join them")
    chosen = layout.channels or columns_of_fit(first, layout)
    tables = [_like(first, frame, i, chosen, layout) for i, frame in enumerate(frames)]
    lengths = np.array([table.num_rows for table in tables], np.int64)
    table = _joined(tables)
    check_columns(table, layout)
    return source_of_groups(table, layout, Grouping(np.arange(len(tables)), lengths))


def _like(first: pa.Table, frame: object, i: int, chosen: tuple[str, ...] | None, layout: Layout) -> pa.Table:
    """Frame i as a table with the columns of the first frame, or with the chosen columns."""
    table = to_table(frame)
    if table is None:
        raise InvalidSequence(f"sequence {i} must be a data frame as sequence 0 is, got a {type(frame).__name__}")
    names = [*chosen, *([layout.time] if layout.time else [])] if chosen else without_index(first, layout).column_names
    own = set(table.column_names)
    if missing := [name for name in names if name not in own]:
        raise InvalidSequence(
            f"sequence {i} has no column {missing[0]!r} as sequence 0 has; its columns are not the same"
        )
    extra = set(without_index(table, layout).column_names) - set(names)
    if extra and not chosen:
        raise InvalidSequence(f"sequence {i} has a column {min(extra)!r} that sequence 0 has not; drop it")
    if table.num_rows == 0:
        raise InvalidSequence(f"sequence {i} has no steps; drop it, or give it at least one step")
    return table.select(names)


def _joined(tables: list[pa.Table]) -> pa.Table:
    import pyarrow as pa

    try:
        return pa.concat_tables([table.replace_schema_metadata() for table in tables], promote_options="permissive")
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())
        raise InvalidSequence(f"the data frames' columns differ in type: {reason}") from error
