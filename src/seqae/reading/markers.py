"""Values that stand for what is missing, such as -999, made missing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from .source import Layout

if TYPE_CHECKING:
    import pyarrow as pa


def without_markers(table: pa.Table, layout: Layout) -> pa.Table:
    """The table with null in place of every value that layout.na names, but in the columns of ids and times."""
    if not layout.na:
        return table
    kept = {layout.id, layout.time}
    columns = [
        column if name in kept else _unmarked(column, layout.na)
        for name, column in zip(table.column_names, table.columns, strict=True)
    ]
    return table.from_arrays(columns, schema=table.schema)


def _unmarked(column: pa.ChunkedArray, markers: tuple[str, ...]) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        found = pa.array(markers, kind)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        found = pa.array(_numbers(markers), pa.float64())
    else:
        return column
    values = column if found.type == kind else column.cast(pa.float64(), safe=False)
    is_marker = pc.is_in(values, value_set=found)  # pyright: ignore[reportAttributeAccessIssue]
    return pc.if_else(is_marker, pa.scalar(None, kind), column)  # pyright: ignore[reportAttributeAccessIssue]


def _numbers(markers: tuple[str, ...]) -> list[float]:
    numbers = []
    for marker in markers:
        with suppress(ValueError):
            numbers.append(float(marker))
    return numbers
