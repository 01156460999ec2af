"""Sequences from anything a user has: arrays, data frames and files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from ..sequences.ragged import Ragged
from .source import Layout, Source, source_of_arrays
from .vocabulary import with_own_tokens, with_tokens_of

__all__ = ["Source", "read", "with_own_tokens", "with_tokens_of"]


def read(
    X: Any,
    *,
    id: Any = None,
    time: Any = None,
    channels: Iterable[Any] | None = None,
    wide: bool = False,
    missing: Literal["error", "mask"] = "error",
    symbols: Literal["auto", "words", "characters"] | None = None,
) -> Source:
    """The sequences in X, with their ids, times and channel names.

    X: what Ragged.from_any takes; a data frame or series of pandas, polars, pyarrow or another library that narwhals
        knows; a list of data frames, each one sequence; the path of a CSV, TSV, Parquet, Arrow, NPZ, NPY, JSON Lines
        or .ts file; or a Source, returned as it is.
    id: the column that tells which sequence a row of a long table belongs to. Rows of one id are joined in row order
        wherever they stand; sequences are in the order in which their ids first appear. Without it, the table is one
        series. In an NPZ file, the array with the id of each sequence.
    time: the column that must strictly increase within each sequence. In an NPZ file, the array with a time per step.
    channels: the columns to read, if not all that are left; for arrays, the names to give to their channels.
    wide: the table (or 2-D array) has one row per sequence and one column per step of its only channel; what is missing
        at the end of a row is not part of the sequence.
    missing: "error" refuses missing values; "mask" takes them as not observed.
    symbols: None reads numbers. Else steps are symbols, text or whole numbers: a table has one column of them, a list
        texts, lists of symbols or vectors of whole numbers, a JSON line a text or list "values", a .txt file one
        sequence per line. A text is split into its "words" or its "characters"; "auto" takes words if a space parts
        any two. The Source's vocabulary tells what text each token stands for.

    Rows are counted from 0, without the header. Raises InvalidSequence for data that cannot be used, InvalidParameter
    for a column that does not exist, UnreadableFile for a file that is absent, damaged, empty or of an unknown kind.
    """
    if isinstance(X, Source):
        return X
    layout = Layout(_name(id), _name(time), _names(channels), wide, missing, symbols)
    if isinstance(X, str | os.PathLike):
        from .files import source_of_file

        return source_of_file(X, layout)
    if symbols is not None and _is_list_of_symbols(X):
        from .symbols import source_of_lists

        return source_of_lists(X.tolist() if isinstance(X, np.ndarray) and X.ndim == 1 else list(X), layout)
    source = _source_of_table(X, layout)
    return source_of_arrays(X, layout) if source is None else source


def _source_of_table(X: Any, layout: Layout) -> Source | None:
    """The Source of a data frame or of a list of them; None if X is neither."""
    is_list = isinstance(X, list | tuple)
    if isinstance(X, np.ndarray | Ragged) or (is_list and (not X or isinstance(X[0], np.ndarray | list | tuple))):
        return None
    from .frames import source_of_frames, to_table
    from .table import source_of_table

    if is_list:
        return source_of_frames(X, layout)
    table = to_table(X)
    return None if table is None else source_of_table(table, layout)


def _is_list_of_symbols(X: Any) -> bool:
    """Whether it holds sequences of symbols, one by one, rather than columns: texts, lists, rows or vectors."""
    if isinstance(X, np.ndarray):
        return X.ndim == 2 or (X.ndim == 1 and X.dtype.kind in "UO")
    if not isinstance(X, list | tuple) or not X:
        return False
    return isinstance(X[0], str | list | tuple | np.ndarray) or hasattr(X[0], "detach")


def _name(column: Any) -> str | None:
    return None if column is None else str(column)


def _names(columns: Iterable[Any] | None) -> tuple[str, ...] | None:
    if columns is None or isinstance(columns, str):
        return None if columns is None else (columns,)
    return tuple(str(column) for column in columns)
