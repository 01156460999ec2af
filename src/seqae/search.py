"""Nearest vectors, exact: block by block, so that the stored ones may lie in a memory-mapped file."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from .errors import InvalidParameter, InvalidSequence, UnreadableFile
from .parameters import check_count
from .storage.files import refused, written_whole

if TYPE_CHECKING:
    import pyarrow as pa

BLOCK, QUERIES = 1 << 14, 256
"""Stored vectors and queries whose distances are screened at a time."""
EPSILON = float(np.finfo(np.float64).eps)
VECTOR = "vector"
"""The column of vectors in an index file."""
_CONDITION = re.compile(r"\s*(.+?)\s*(<=|>=|!=|=|<|>)\s*(.*?)\s*")
_OPERATIONS = {"=": "equal", "!=": "not_equal", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal"}


@dataclass(frozen=True, slots=True, eq=False)
class Neighbours:
    """The nearest stored vectors of each query, nearest first; of equally near ones, the one stored first.

    queries: (n_queries,) ids or numbers. ids: (n_queries, k) of the neighbours, indices: (n_queries, k) int64, their
    places in the index; distances: (n_queries, k) float64, Euclidean. k is smaller than was asked for where fewer
    vectors are stored.
    """

    queries: np.ndarray
    ids: np.ndarray
    indices: np.ndarray
    distances: np.ndarray

    def to_columns(self) -> dict[str, np.ndarray]:
        """One row per neighbour: query, rank (1 is nearest), neighbour, distance."""
        n, k = self.indices.shape
        return {
            "query": np.repeat(self.queries, k),
            "rank": np.tile(np.arange(1, k + 1), n),
            "neighbour": self.ids.ravel(),
            "distance": self.distances.ravel(),
        }

    def to_frame(self) -> pa.Table:
        """The columns as a table."""
        import pyarrow as pa

        return pa.table({name: pa.array(column) for name, column in self.to_columns().items()})


class VectorIndex:
    """Stored vectors, to be searched.

    vectors: (n, size), such as transform() returns; kept as float32, not copied if they are. ids: (n,), 0, 1, ... if
    not given. columns: further ones to choose by, each (n,), such as labels or lengths.

    Raises InvalidSequence for vectors of another shape, InvalidParameter for columns of another length.

    >>> import numpy as np
    >>> index = VectorIndex(np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]]), ids=["a", "b", "c"])
    >>> found = index.nearest(np.array([[0.9, 0.1]]), k=2)
    >>> found.ids.tolist(), found.distances.round(2).tolist()
    ([['b', 'a']], [[0.14, 0.91]])
    """

    def __init__(
        self,
        vectors: np.ndarray,
        ids: Sequence[object] | np.ndarray | None = None,
        columns: Mapping[str, object] | pa.Table | None = None,
    ) -> None:
        import pyarrow as pa

        self.vectors = np.asarray(vectors, np.float32)
        if self.vectors.ndim != 2 or not self.vectors.size:
            raise InvalidSequence(f"vectors must be (n, size), both at least 1, got shape {self.vectors.shape}")
        self.ids = np.arange(len(self)) if ids is None else np.asarray(ids)
        self.columns = pa.table(dict(columns or {}) if not isinstance(columns, pa.Table) else columns)
        for name, length in (("ids", len(self.ids)), *((n, self.columns.num_rows) for n in self.columns.column_names)):
            if length != len(self):
                raise InvalidParameter(f"{name} has {length} values for {len(self)} vectors; give one for each")

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        return f"VectorIndex({len(self):,} vectors of {self.vectors.shape[1]} values)"

    def nearest(
        self, queries: np.ndarray, k: int = 5, *, where: str | Sequence[str] = (), names: np.ndarray | None = None
    ) -> Neighbours:
        """The k nearest stored vectors of each query.

        queries: (n_queries, size), or one (size,). where: conditions that stored vectors must meet, such as
        "label=walk" or "length>=50". names: (n_queries,), what the result calls the queries; else 0, 1, ...
        A query's result has the same bits alone and among others.

        Raises InvalidSequence for queries of another size or that are not finite, InvalidParameter for a condition
        that no stored vector meets or that names no column.
        """
        rows = np.atleast_2d(np.asarray(queries, np.float32))
        if rows.ndim != 2 or rows.shape[1] != self.vectors.shape[1]:
            raise InvalidSequence(
                f"queries must have {self.vectors.shape[1]} values as the stored vectors, got shape {rows.shape}"
            )
        return self._found(rows, np.arange(len(rows)) if names is None else names, None, k, where)

    def nearest_of(self, ids: object = None, k: int = 5, *, where: str | Sequence[str] = ()) -> Neighbours:
        """The k nearest of stored vectors, without themselves. ids: of some of them, or one; None is all.

        Raises InvalidParameter for an id that is not stored, and as nearest() does.
        """
        chosen = np.arange(len(self)) if ids is None else self._places(np.atleast_1d(np.asarray(ids)))
        if len(self) < 2:
            raise InvalidParameter("the only stored vector has no neighbours; store more of them", parameter="k")
        return self._found(np.ascontiguousarray(self.vectors[chosen]), self.ids[chosen], chosen, k, where)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an Arrow file, from which open() maps the vectors without reading them.

        Raises InvalidParameter if it cannot be written.
        """
        import pyarrow as pa

        values = pa.array(np.ascontiguousarray(self.vectors).ravel())
        vectors = pa.FixedSizeListArray.from_arrays(values, self.vectors.shape[1])
        kept = {name: self.columns[name] for name in self.columns.column_names if name != "id"}
        table = pa.table({"id": pa.array(self.ids), **kept, VECTOR: vectors})
        with refused(path), written_whole(path) as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """The vectors of a file: an Arrow file that save() wrote, whose vectors stay on the disk, or a CSV or Parquet
        file with columns z0, z1, ... as `seqae embed` writes them.

        Raises UnreadableFile for a file that is missing, damaged, of another kind or without vectors.
        """
        table = _table(Path(path))
        try:
            return cls(*_content(table))
        except (InvalidSequence, InvalidParameter) as error:
            raise UnreadableFile(f"{os.fspath(path)}: {error}") from error

    def _places(self, ids: np.ndarray) -> np.ndarray:
        known = self.ids.astype(str)
        found = [np.flatnonzero(known == str(one)) for one in ids.tolist()]
        for one, places in zip(ids.tolist(), found, strict=True):
            if not len(places):
                raise InvalidParameter(f"no stored vector has the id {one!r}", parameter="ids")
        return np.concatenate(found)

    def _found(
        self, rows: np.ndarray, names: np.ndarray, own: np.ndarray | None, k: int, where: str | Sequence[str]
    ) -> Neighbours:
        check_count("k", k)
        if not np.isfinite(rows).all():
            i = int(np.argmin(np.isfinite(rows).all(axis=1)))
            raise InvalidSequence(f"query {names[i]} is not finite; leave it out")
        allowed = self._meeting((where,) if isinstance(where, str) else where)
        n_others = int(allowed.sum()) - (0 if own is None else int(allowed[own].any()))
        if n_others < 1:
            raise InvalidParameter(f"no other stored vector meets {' and '.join(where)}", parameter="where")
        indices, distances = _searched(rows, self.vectors, min(k, n_others), allowed, own)
        return Neighbours(names, self.ids[indices], indices, distances)

    def _meeting(self, conditions: Sequence[str]) -> np.ndarray:
        """(n,) which vectors meet all conditions."""
        allowed = np.ones(len(self), bool)
        for condition in conditions:
            allowed &= _meets(self.columns, condition)
            if not allowed.any():
                raise InvalidParameter(f"no stored vector meets {condition!r}", parameter="where")
        return allowed


def _meets(columns: pa.Table, condition: str) -> np.ndarray:
    """(n,) bool. A missing value meets no condition."""
    import pyarrow as pa
    from pyarrow import compute

    parsed = _CONDITION.fullmatch(condition)
    if parsed is None:
        raise InvalidParameter(
            f"a condition must be a column, one of = != < <= > >=, and a value, got {condition!r}", parameter="where"
        )
    name, sign, text = parsed.groups()
    if name not in columns.column_names:
        known = ", ".join(columns.column_names) or "none"
        raise InvalidParameter(f"there is no column {name!r} to choose by; there are: {known}", parameter="where")
    try:
        value = pa.scalar(text).cast(columns[name].type)
        met = getattr(compute, _OPERATIONS[sign])(columns[name], value)
    except pa.ArrowException as error:
        raise InvalidParameter(
            f"{text!r} cannot be compared with column {name!r}, of type {columns[name].type}", parameter="where"
        ) from error
    return met.fill_null(False).to_numpy()


def _searched(
    queries: np.ndarray, vectors: np.ndarray, k: int, allowed: np.ndarray, own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Places and distances of the k nearest vectors, both (n_queries, k)."""
    n, queries = len(queries), queries.astype(np.float64)
    indices, squares = np.full((n, k), len(vectors)), np.full((n, k), np.inf)
    for first in range(0, len(vectors), BLOCK):
        is_allowed = allowed[first : first + BLOCK]
        if not is_allowed.any():
            continue
        block = _finite(vectors[first : first + BLOCK], first).astype(np.float64)
        for part in (slice(start, start + QUERIES) for start in range(0, n, QUERIES)):
            mine = None if own is None else own[part] - first
            rows, places = _screened(queries[part], block, squares[part], is_allowed, mine)
            apart = queries[part][rows] - block[places]
            exact = (apart * apart).sum(axis=1)
            indices[part], squares[part] = _merged(indices[part], squares[part], rows, places + first, exact)
    return indices, np.sqrt(squares)


def _finite(block: np.ndarray, first: int) -> np.ndarray:
    is_finite = np.isfinite(block).all(axis=1)
    if not is_finite.all():
        raise InvalidSequence(f"stored vector {first + int(np.argmin(is_finite))} is not finite; leave it out")
    return block


def _screened(
    queries: np.ndarray, block: np.ndarray, squares: np.ndarray, allowed: np.ndarray, own: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Rows and places of all pairs that can be among the k nearest: none is lost to the rounding of a matrix product,
    whose bits depend on its size.

    squares: (n_queries, k) the squared distances of the nearest so far. own: (n_queries,) places to leave out.
    """
    k = squares.shape[1]
    of_queries, of_block = (queries * queries).sum(axis=1), (block * block).sum(axis=1)
    error = 4 * (queries.shape[1] + 8) * EPSILON * (of_queries + of_block.max())
    about = of_block + of_queries[:, None] - 2 * queries @ block.T
    about[:, ~allowed] = np.inf
    if own is not None:
        here = np.flatnonzero((own >= 0) & (own < len(block)))
        about[here, own[here]] = np.inf
    limit = squares[:, -1]
    if k <= len(block):
        limit = np.minimum(limit, np.partition(about, k - 1, axis=1)[:, k - 1] + error)
    rows, places = np.nonzero((about <= (limit + error)[:, None]) & np.isfinite(about))
    return rows, places


def _merged(
    indices: np.ndarray, squares: np.ndarray, rows: np.ndarray, places: np.ndarray, exact: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of those so far and the new ones, by distance and place."""
    n, k = indices.shape
    all_rows = np.concatenate([np.repeat(np.arange(n), k), rows])
    all_places, all_squares = np.concatenate([indices.ravel(), places]), np.concatenate([squares.ravel(), exact])
    order = np.lexsort((all_places, all_squares, all_rows))
    starts = np.searchsorted(all_rows[order], np.arange(n))
    kept = order[starts[:, None] + np.arange(k)]
    return all_places[kept], all_squares[kept]


def _table(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import csv

    readers = {".arrow": _mapped, ".csv": csv.read_csv, ".parquet": pq.read_table}
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise UnreadableFile(f"{path}: vectors are read from {', '.join(readers)} files; write them with seqae embed")
    try:
        table = readers[suffix](str(path))
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UnreadableFile(f"{path} cannot be read: {' '.join(str(error).split())[:200]}") from error
    return table


def _mapped(path: str) -> pa.Table:
    import pyarrow as pa

    return pa.ipc.open_file(pa.memory_map(path)).read_all()


def _content(table: pa.Table) -> tuple[np.ndarray, np.ndarray | None, pa.Table]:
    """Vectors, ids (the first of the other columns, if there is one), and all other columns of a table."""
    import pyarrow as pa

    names = [f"z{k}" for k in range(table.num_columns) if f"z{k}" in table.column_names]
    others = table.select([name for name in table.column_names if name not in (*names, VECTOR)])
    if VECTOR in table.column_names and pa.types.is_fixed_size_list(table.schema.field(VECTOR).type):
        size = table.schema.field(VECTOR).type.list_size
        columns = {VECTOR: pa.chunked_array([chunk.flatten() for chunk in table[VECTOR].chunks])}
    elif names:
        size, columns = len(names), {name: table[name] for name in names}
    else:
        raise InvalidSequence("there are no vectors, which are columns z0, z1, ... as seqae embed writes them")
    for name, column in columns.items():
        if column.null_count or not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            raise InvalidSequence(f"column {name!r} has missing values or no numbers; leave such rows out")
    arrays = [np.asarray(column.to_numpy(), np.float32) for column in columns.values()]
    vectors = arrays[0].reshape(-1, size) if VECTOR in columns else np.column_stack(arrays)
    return vectors, others[0].to_numpy() if others.num_columns else None, others
