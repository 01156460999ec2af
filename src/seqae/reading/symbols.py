"""Sequences of symbols, text or whole numbers. A symbol's token is its place in the sorted vocabulary."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..sequences.ragged import Ragged, back_to_back
from .grouping import decoded, group, one_series, refuse_missing
from .source import TOKEN, Layout, Source
from .text import decode, read_bytes
from .times import times_of

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"
LINE = "line"
"""The name of the ids of a .txt file: line numbers from 1."""


def source_of_symbol_table(table: pa.Table, names: Sequence[str], layout: Layout) -> Source:
    """The sequences of symbols in a table. names: of the symbol columns, one unless the table is wide."""
    if layout.wide:
        return _wide(table, names, layout)
    if len(names) > 1:
        shown = ", ".join(map(repr, names))
        raise InvalidSequence(f"symbols stand in one column, but {shown} are left; name it with channels=")
    grouping = one_series(table.num_rows) if layout.id is None else group(table[layout.id], layout.id)
    times, time_zone = times_of(table, layout, grouping)
    tokens, vocabulary = _numbered(_texts(table[names[0]], names[0]))
    ragged = Ragged.view(grouping.arrange(tokens), grouping.starts, grouping.lengths)
    return Source(ragged, grouping.ids, times, tuple(names), grouping.id_name, layout.time, vocabulary, time_zone)


def source_of_lists(X: Sequence[object], layout: Layout) -> Source:
    """The sequences in a list: each a string, a list of strings and whole numbers, or a vector of whole numbers.

    Vectors of whole numbers (NumPy arrays and tensors) are tokens as they are.
    """
    if not any(isinstance(sequence, str | list | tuple) for sequence in X):
        return _of_parts([_as_vector(sequence, i) for i, sequence in enumerate(X)])
    lines = [sequence for sequence in X if isinstance(sequence, str)]
    has_words = layout.symbols == "words" or (layout.symbols == "auto" and any(len(line.split()) > 1 for line in lines))
    parts = [
        _split(sequence, has_words)
        if isinstance(sequence, str)
        else [_text(symbol, i) for symbol in _each(sequence, i)]
        for i, sequence in enumerate(X)
    ]
    return _source_of_parts(parts, np.arange(len(parts)))


def read_txt(path: Path, layout: Layout) -> Source:
    """One sequence per line, its symbols the words between spaces or, in a file without any, its characters.

    Empty lines are skipped; the ids are line numbers, from 1.
    """
    if layout.symbols is None:
        raise InvalidParameter("a .txt file holds symbols; symbols are for architecture='tokens' or symbols='auto'")
    for name, given in (("id", layout.id), ("time", layout.time), ("channels", layout.channels), ("wide", layout.wide)):
        if given:
            raise InvalidParameter(f"{name}= is for tables, but a .txt file is one sequence per line; leave it out")
    lines = [line.removesuffix("\r") for line in decode(read_bytes(path)).split("\n")]
    numbers = np.array([number for number, line in enumerate(lines, 1) if line.strip()])
    source = source_of_lists([line for line in lines if line.strip()], layout)
    return replace(source, ids=numbers, id_name=LINE)


def holds_symbols(path: Path) -> bool:
    """Whether the lines of a file are sequences of symbols rather than the rows of a table.

    Rows have equally many numbers, and not only whole ones, below at most one line of names.
    """
    if not path.is_file():
        return True
    with path.open("rb") as file:
        head = file.read(1 << 16).decode(errors="replace")
    lines = [line.split() for line in re.sub(r"[,;\t]", " ", head).splitlines() if not line.startswith(("#", "%"))]
    rows = [line for line in lines[1:] if line]
    fields = [field for row in rows for field in row]
    is_table = bool(rows) and len(set(map(len, rows))) == 1 and all(re.fullmatch(_NUMBER, field) for field in fields)
    return not (is_table and any("." in field for field in fields))


def _split(line: str, has_words: bool) -> list[str]:
    return line.split() if has_words else list(line)


def _each(sequence: object, i: int) -> Iterable[object]:
    if not isinstance(sequence, Iterable):
        raise InvalidSequence(f"sequence {i} is {sequence!r}; a sequence of symbols is a text or a list")
    return sequence


def _as_vector(sequence: object, i: int) -> np.ndarray:
    array = np.asarray(sequence)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InvalidSequence(
            f"sequence {i} holds vectors (shape {array.shape}, {array.dtype}); tokens are wanted: "
            "texts, lists of symbols, or vectors of whole numbers"
        )
    return array


def _of_parts(parts: list[np.ndarray]) -> Source:
    return Source(Ragged.from_tokens(parts), np.arange(len(parts)), None, (TOKEN,))


def _source_of_parts(parts: list[list[str]], ids: np.ndarray) -> Source:
    import pyarrow as pa

    lengths = np.array([len(part) for part in parts], np.int64)
    if not lengths.all():
        raise InvalidSequence(f"sequence {int(np.argmin(lengths))} has no steps; drop it, or give it at least one step")
    tokens, vocabulary = _numbered(pa.chunked_array([pa.array([symbol for part in parts for symbol in part])]))
    return Source(back_to_back(tokens, lengths), ids, None, (TOKEN,), vocabulary=vocabulary)


def _text(symbol: object, i: int) -> str:
    if isinstance(symbol, str):
        if symbol:
            return symbol
    elif isinstance(symbol, int | np.integer) and not isinstance(symbol, bool):
        return str(int(symbol))
    shown = repr(symbol) if len(repr(symbol)) <= 40 else repr(symbol)[:37] + "..."
    raise InvalidSequence(f"sequence {i} holds {shown}; symbols are text or whole numbers, not vectors")


def _texts(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """The column as text without missing values."""
    import pyarrow as pa

    column = _whole(decoded(column))
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InvalidSequence(f"column {name!r} holds {kind}; symbols are text or whole numbers")
    refuse_missing(column, name)
    texts = column.cast(pa.large_string())
    if (row := texts.index("").as_py()) >= 0:
        raise InvalidSequence(f"row {row} has no {name!r}; fill it in or drop the row")
    return texts


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whole numbers that stand as floats, as pandas writes them where some are missing, as integers."""
    import pyarrow as pa

    if not pa.types.is_floating(column.type):
        return column
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column


def _numbered(texts: pa.ChunkedArray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The token of each text, (n,) int32, and the sorted texts of the tokens."""
    encoded = texts.dictionary_encode().unify_dictionaries()
    symbols = encoded.chunk(0).dictionary.to_pylist()
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
    order = sorted(range(len(symbols)), key=symbols.__getitem__)
    rank = np.empty(len(symbols), np.int32)
    rank[order] = np.arange(len(symbols), dtype=np.int32)
    return rank[codes], tuple(symbols[k] for k in order)


def _wide(table: pa.Table, names: Sequence[str], layout: Layout) -> Source:
    """One row per sequence; missing values at the end of a row are not part of it."""
    import pyarrow as pa

    columns = [decoded(table[name]) for name in names]
    for name, column in zip(names, columns, strict=True):
        if pa.types.is_floating(column.type):
            raise InvalidSequence(f"column {name!r} holds {column.type}; symbols are text or whole numbers")
    texts = [column.cast(pa.large_string()).to_pylist() for column in columns]
    parts = [_row(row, number) for number, row in enumerate(zip(*texts, strict=True))]
    if layout.id is None:
        return _source_of_parts(parts, np.arange(len(parts)))
    ids = decoded(table[layout.id])
    refuse_missing(ids, layout.id)
    return replace(_source_of_parts(parts, ids.to_numpy()), id_name=layout.id)


def _row(cells: Sequence[str | None], number: int) -> list[str]:
    length = max((k + 1 for k, cell in enumerate(cells) if cell), default=0)
    symbols = [cell for cell in cells[:length] if cell]
    if len(symbols) < length or not length:
        raise InvalidSequence(f"row {number} has {'a gap' if length else 'no symbols'}; symbols stand without gaps")
    return symbols
