"""Text tables, fields between commas, semicolons, tabs, bars or blanks, through pyarrow."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidSequence, UnreadableFile
from .combining import parts_of
from .dialect import BLANKS, MISSING, Dialect, dialect_of
from .source import Layout, Source
from .table import source_of_table
from .text import decode, read_bytes
from .times import is_form

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_SIZE = 1 << 24  # bytes; no row may be longer


def read_csv(path: Path, layout: Layout) -> Source:
    """A table with a header line. An id column is text unless every id is a plain integer, so that 007 stays 007.

    Raises UnreadableFile naming the line that is not UTF-8, has too few or too many fields, or is not a header.
    """
    return source_of_table(table_of_text(read_bytes(path), layout), layout)


def table_of_text(data: bytes, layout: Layout) -> pa.Table:
    """The columns of a text table. Raises as read_csv() does."""
    dialect, body = dialect_of(data, layout)
    table = _parse(body, dialect, layout)
    if any(_is_bytes(kind) for kind in table.schema.types):
        decode(data)  # names the byte that is not UTF-8
    table = _without_empty_columns(table)
    for name in parts_of(layout.id, table.column_names):
        table = _with_natural_ids(table, name)
    return table


def _parse(body: bytes, dialect: Dialect, layout: Layout) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names, delimiter = list(dialect.names), "\t" if dialect.delimiter == BLANKS else dialect.delimiter
    is_renamed = not dialect.has_header or names[-1] == ""  # a header may go over several lines; it is then no line
    try:
        return arrow_csv.read_csv(
            pa.BufferReader(body),
            read_options=arrow_csv.ReadOptions(
                block_size=_BLOCK_SIZE,
                column_names=names if is_renamed else None,
                skip_rows=dialect.has_header and is_renamed,
                skip_rows_after_names=int(dialect.has_units),
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=b'"' in body,
                ignore_empty_lines=len(names) > 1,  # in a single column an empty line is a missing value
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=_texts(names, layout),
                decimal_point=dialect.decimal,
                null_values=[*MISSING, *layout.na],
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise UnreadableFile(_fault(decode(body), delimiter, dialect, error)) from error


def _texts(names: list[str], layout: Layout) -> dict[str, pa.DataType]:
    """The columns whose text is kept as it is written: ids, times in a form that is told, symbols."""
    import pyarrow as pa

    times = parts_of(layout.time, names)
    kept = [*parts_of(layout.id, names), *(times if is_form(layout.time_format) else ())]
    if layout.symbols is not None:
        kept += [name for name in names if name not in times]
    return dict.fromkeys(kept, pa.string())


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_binary(kind)


def _without_empty_columns(table: pa.Table) -> pa.Table:
    """Without columns that have neither name nor values, as spreadsheets leave at the right."""
    kept = [k for k, field in enumerate(table.schema) if field.name or table.column(k).null_count < table.num_rows]
    return table.select(kept) if len(kept) < table.num_columns else table


def _fault(text: str, delimiter: str, dialect: Dialect, error: Exception) -> str:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    before, n_columns = dialect.n_before, len(dialect.names)
    try:
        for row in rows:
            if row and len(row) != n_columns and not (dialect.has_header and rows.line_num == 1):
                return (
                    f"line {before + rows.line_num} must have {n_columns} fields as line {before + 1} has, got "
                    f"{len(row)}; mend that line"
                )
    except csv.Error as problem:
        return f"line {before + rows.line_num} cannot be read ({problem}); mend that line"
    return f"is no valid CSV; export it again ({' '.join(str(error).split())})"


def _with_natural_ids(table: pa.Table, id_name: str) -> pa.Table:
    """Ids as integers if every id is a plain integer."""
    import pyarrow as pa

    if table.column_names.count(id_name) != 1:
        return table
    texts = table[id_name]
    if (row := texts.index("").as_py()) >= 0:
        raise InvalidSequence(f"row {row} has no {id_name!r}; fill it in or drop the row")
    try:
        integers = texts.cast(pa.int64())
    except pa.ArrowInvalid:
        return table
    if not integers.cast(pa.string()).equals(texts):
        return table
    return table.set_column(table.column_names.index(id_name), id_name, integers)
