"""CSV, also with tabs or semicolons, through pyarrow."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidSequence, UnreadableFile
from .combining import parts_of
from .source import Layout, Source
from .table import source_of_table
from .text import decode, read_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_SIZE = 1 << 24  # bytes; no row may be longer


def read_csv(path: Path, layout: Layout) -> Source:
    """A table with a header line. An id column is text unless every id is a plain integer, so that 007 stays 007.

    Raises UnreadableFile naming the line that is not UTF-8, has too few or too many fields, or is not a header.
    """
    data = read_bytes(path, layout)
    first_line = decode(data[: data.find(b"\n")] if b"\n" in data else data).removesuffix("\r")
    delimiter = _delimiter(first_line)
    header = _header(first_line, delimiter)
    _check_header(header, layout)
    table = _parse(data, delimiter, header, layout)
    return source_of_table(table, layout)


def _parse(data: bytes, delimiter: str, header: list[str], layout: Layout) -> pa.Table:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    ids, times = parts_of(layout.id, header), parts_of(layout.time, header)
    is_text = [*ids, *(times if layout.time_format is not None else ())]
    if layout.symbols is not None:
        is_text += [name for name in header if name not in times]
    texts = dict.fromkeys(is_text, pa.string())
    try:
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(block_size=_BLOCK_SIZE),
            parse_options=arrow_csv.ParseOptions(
                delimiter=delimiter,
                newlines_in_values=b'"' in data,
                ignore_empty_lines=len(header) > 1,  # in a single column an empty line is a missing value
            ),
            convert_options=arrow_csv.ConvertOptions(column_types=texts),
        )
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise UnreadableFile(_fault(decode(data), delimiter, error)) from error
    if any(pa.types.is_binary(kind) for kind in table.schema.types):
        decode(data)  # names the byte that is not UTF-8
    for name in ids:
        table = _with_natural_ids(table, name)
    return table


def _delimiter(first_line: str) -> str:
    """The delimiter that occurs most often in the header, outside of quotes."""
    return max(",;\t|", key=re.sub(r'"[^"]*"', "", first_line).count)


def _header(first_line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([first_line], delimiter=delimiter))
    except (csv.Error, StopIteration) as error:
        raise UnreadableFile(f"line 1 must name the columns; mend it ({error})") from error


def _check_header(header: list[str], layout: Layout) -> None:
    """A first line of measurements would be lost as names; only columns that are numbered in order have such names.

    They are numbered from 0, as pandas numbers them, or, where they are the steps of a wide table, from any number.
    """
    try:
        numbers = [float(name) for name in header if name not in (layout.id, layout.time)]
    except ValueError:
        return
    is_numbered = len(numbers) > 1 and numbers == [numbers[0] + k for k in range(len(numbers))]
    if not (is_numbered and (layout.wide or numbers[0] == 0)):
        shown = ", ".join(header[:4]) + (", ..." if len(header) > 4 else "")
        raise UnreadableFile(f"line 1 must name the columns, got the numbers {shown}; put a line of names above it")


def _fault(text: str, delimiter: str, error: Exception) -> str:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        n_columns = len(next(rows))
        for row in rows:
            if row and len(row) != n_columns:
                return (
                    f"line {rows.line_num} must have {n_columns} fields as line 1 has, got {len(row)}; mend that line"
                )
    except csv.Error as problem:
        return f"line {rows.line_num} cannot be read ({problem}); mend that line"
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
