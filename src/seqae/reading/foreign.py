"""Files of other programs: Excel, ORC, HDF5 and MATLAB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MissingExtra, UnreadableFile
from ..sequences.ragged import Ragged
from .source import Layout, Source, numbered, source_of_arrays
from .table import source_of_table

if TYPE_CHECKING:
    import h5py
    import pyarrow as pa


def read_orc(path: Path, layout: Layout) -> Source:
    """A table of Apache ORC."""
    from pyarrow import orc

    return source_of_table(orc.read_table(str(path)), layout)


def read_excel(path: Path, layout: Layout) -> Source:
    """The only sheet with values, whose first row names the columns. Raises UnreadableFile if there are several."""
    try:
        import openpyxl
    except ImportError as error:
        raise MissingExtra("excel") from error
    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    sheets = {
        sheet.title: [row for row in sheet.iter_rows(values_only=True) if any(v is not None for v in row)]
        for sheet in book.worksheets
    }
    book.close()
    filled = {title: rows for title, rows in sheets.items() if rows}
    if len(filled) != 1:
        shown = ", ".join(map(repr, filled)) or "none"
        raise UnreadableFile(f"must have one sheet with values, it has {shown}; save that sheet as a file of its own")
    return source_of_table(_sheet(next(iter(filled.values()))), layout)


def _has_values(row: tuple[object, ...]) -> bool:
    return any(value is not None for value in row)


def _sheet(rows: Sequence[tuple[object, ...]]) -> pa.Table:
    import pyarrow as pa

    names = ["" if name is None else str(name) for name in rows[0]]
    columns = list(zip(*rows[1:], strict=False)) if len(rows) > 1 else [() for _ in names]
    arrays = {}
    for k, (name, column) in enumerate(zip(names, columns, strict=False)):
        if name or any(value is not None for value in column):
            arrays[k] = _cells(column)
    return pa.Table.from_arrays([*arrays.values()], names=[names[k] for k in arrays])


def _cells(column: tuple[object, ...]) -> pa.Array:
    """Numbers, dates or text; text where a column mixes them, so that a message can show the cell."""
    import pyarrow as pa

    values = [None if isinstance(value, str) and not value.strip() else value for value in column]
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([None if value is None else str(value) for value in values])


# -- arrays ------------------------------------------------------------------------------------------------------------


def read_hdf5(path: Path, layout: Layout) -> Source:
    """Datasets `values` and `lengths`, one with three axes, or several (n_i, n_channels) ones, each a sequence."""
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra("hdf5") from error
    with h5py.File(path) as file:
        return _source_of_named(dict(_datasets(file)), layout)


def _datasets(group: h5py.Group) -> Iterator[tuple[str, np.ndarray]]:
    import h5py

    for name, member in group.items():
        if isinstance(member, h5py.Group):
            yield from ((f"{name}/{inner}", array) for inner, array in _datasets(member))
        elif isinstance(member, h5py.Dataset) and member.dtype.kind in "iufb" and member.ndim:
            yield name, member[()]


def read_mat(path: Path, layout: Layout) -> Source:
    """MATLAB's variables: as in read_hdf5(), or a cell array with a sequence in each cell."""
    import scipy.io

    with path.open("rb") as file:
        if b"\x89HDF" in file.read(1024):  # version 7.3 is HDF5, with the axes the other way round
            return _read_mat_7_3(path, layout)
    variables = scipy.io.loadmat(path)
    arrays = {name: array for name, array in variables.items() if not name.startswith("__")}
    cells = {name: array for name, array in arrays.items() if array.dtype.kind == "O"}
    if len(cells) == 1 and len(arrays) == 1:
        return source_of_arrays([np.asarray(cell) for cell in next(iter(cells.values())).ravel()], layout)
    return _source_of_named(
        {name: _vector(array) for name, array in arrays.items() if array.dtype.kind in "iufb"}, layout
    )


def _read_mat_7_3(path: Path, layout: Layout) -> Source:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtra("hdf5") from error
    with h5py.File(path) as file:
        names = [name for name in map(str, file) if not name.startswith("#")]
        first = file[names[0]] if len(names) == 1 else None
        if isinstance(first, h5py.Dataset) and first.dtype == h5py.ref_dtype:
            return source_of_arrays([np.asarray(file[cell]).T for cell in first[()].T.ravel()], layout)
        return _source_of_named({name: _vector(array.T) for name, array in _datasets(file)}, layout)


def _vector(array: np.ndarray) -> np.ndarray:
    """MATLAB's vectors are matrices of one column or row."""
    return array.ravel() if array.ndim == 2 and 1 in array.shape else array


def _source_of_named(arrays: Mapping[str, np.ndarray], layout: Layout) -> Source:
    if {"values", "lengths"} <= set(arrays):
        values = np.asarray(arrays["values"])
        ragged = Ragged.checked(
            values.reshape(len(values), -1),
            *_starts_and_lengths(arrays["lengths"], len(values)),
            layout.treatment,
        )
        return numbered(ragged, layout.channels)
    if layout.channels is not None and set(layout.channels) <= set(arrays):
        return _of_columns({name: arrays[name] for name in layout.channels}, layout)
    blocks = [array for array in arrays.values() if array.ndim == (2 if layout.wide else 3)]
    if len(blocks) == 1:
        return source_of_arrays(blocks[0], layout)
    tables = {name: array for name, array in arrays.items() if array.ndim == 2}
    if not blocks and tables and len({array.shape[1] for array in tables.values()}) == 1 and not layout.wide:
        source = source_of_arrays(list(tables.values()), layout)
        return replace(source, ids=np.array(list(tables), object), id_name="name")
    vectors = {name: array for name, array in arrays.items() if array.ndim == 1}
    if not blocks and not tables and vectors and len({len(array) for array in vectors.values()}) == 1:
        return _of_columns(vectors, layout)
    shown = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:6]) or "none"
    raise UnreadableFile(
        "must hold arrays 'values' and 'lengths', one array (n_sequences, n_steps, n_channels), arrays "
        f"(n_steps, n_channels) that are one sequence each, or vectors of one length; it holds {shown}"
    )


def _of_columns(columns: Mapping[str, np.ndarray], layout: Layout) -> Source:
    import pyarrow as pa

    return source_of_table(pa.table({name: pa.array(column) for name, column in columns.items()}), layout)


def _starts_and_lengths(lengths: np.ndarray, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    counts = np.asarray(lengths).ravel().astype(np.int64)
    if not len(counts) or counts.min() < 1 or int(counts.sum()) != n_rows:
        raise UnreadableFile(f"lengths must be at least 1 and add up to the {n_rows} rows of values; write them again")
    return np.cumsum(counts) - counts, counts
