"""ARFF of Weka, as the UEA and UCR archives have it: attributes above @data, then rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnreadableFile
from .source import Layout, Source, source_of_arrays
from .table import source_of_table
from .text import decode, read_bytes
from .ts import matrix_of

if TYPE_CHECKING:
    import pyarrow as pa


def read_arff(path: Path, layout: Layout) -> Source:
    """The sequences of an ARFF file; the class, a nominal attribute at the end, is left out.

    A relational attribute holds a whole sequence, a channel to a line; else a row is a row of a table.
    Format: https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/
    """
    lines = decode(read_bytes(path)).splitlines()
    attributes, first = _attributes(lines)
    is_relational = any(kind == "relational" for _, kind in attributes)
    import pyarrow as pa

    names = [name for name, _ in attributes]
    rows = list(_rows(lines, first, 2 if is_relational else len(names)))
    if is_relational:
        parts = [matrix_of(row[0].split("\\n"), number) for number, row in rows]
        return source_of_arrays(parts, layout)
    if attributes[-1][1] == "nominal" and names[-1] not in (layout.id, layout.time, *(layout.channels or ())):
        names.pop()
    columns = {name: _arff_column([row[k] for _, row in rows], attributes[k][1]) for k, name in enumerate(names)}
    return source_of_table(pa.table(columns), layout)


def _attributes(lines: list[str]) -> tuple[list[tuple[str, str]], int]:
    """Names and kinds, and the index of the line after @data."""
    found: list[tuple[str, str]] = []
    depth = 0
    for index, line in enumerate(lines):
        text = line.strip()
        word = text.partition(" ")[0].lower()
        if word == "@data":
            if not found:
                break
            return found, index + 1
        if word == "@end":
            depth -= 1
        match = re.match(r"@attribute\s+('[^']*'|\"[^\"]*\"|\S+)\s+(.+)", text, re.IGNORECASE)
        if match and not depth:
            kind = match[2].strip().lower()
            kind = "nominal" if kind.startswith("{") else kind.split()[0]
            found.append((match[1].strip("'\""), kind))
            depth += kind == "relational"
        elif word == "@attribute" and not match:
            raise UnreadableFile(f"line {index + 1} is no attribute with name and type; mend it")
    raise UnreadableFile("has no @data line below attributes; export it again")


def _rows(lines: list[str], first: int, n_fields: int) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(lines[first:], first + 1):
        if not line.strip() or line.lstrip().startswith("%"):
            continue
        quote = '"' if line.lstrip().startswith('"') else "'"
        fields = next(csv.reader([line.strip()], quotechar=quote, skipinitialspace=True))
        if line.lstrip().startswith("{"):
            raise UnreadableFile(f"line {number} is sparse, which is not read; export the values in full")
        if len(fields) != n_fields:
            raise UnreadableFile(f"line {number} must have {n_fields} fields, got {len(fields)}; mend that line")
        yield number, fields


def _arff_column(texts: list[str], kind: str) -> pa.Array:
    import pyarrow as pa

    values = [None if text.strip() == "?" else text.strip() for text in texts]
    if kind in ("numeric", "real", "integer"):
        try:
            return pa.array([None if value is None else float(value) for value in values])
        except ValueError:
            return pa.array(values)  # the message will name the row
    return pa.array(values)
