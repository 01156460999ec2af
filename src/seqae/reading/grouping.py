"""Which rows of a long table belong to which sequence, and whether their times increase."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidSequence
from ..sequences.ragged import owner_of, starts_of
from .source import ORDINAL

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, eq=False, slots=True)
class Grouping:
    """The rows of a long table, put sequence after sequence.

    ids, lengths: (n_sequences,), in the order in which the ids first appear.
    order: (n_rows,) the table's row at each place; None if the rows already lie as they should.
    id_name: the column that ids came from.
    """

    ids: np.ndarray
    lengths: np.ndarray
    order: np.ndarray | None = None
    id_name: str = ORDINAL

    @property
    def starts(self) -> np.ndarray:
        """(n_sequences,) the place of each sequence's first row."""
        return starts_of(self.lengths)

    def arrange(self, column: np.ndarray) -> np.ndarray:
        """A column of the table, (n_rows,), sequence after sequence; not copied where nothing has to move."""
        return column if self.order is None else column[self.order]

    def row(self, place: int) -> int:
        """The table's row, counted from 0, that is at a place of the arranged columns."""
        return int(place if self.order is None else self.order[place])

    def sequence(self, place: int) -> int:
        """The sequence that a place belongs to."""
        return owner_of(place, self.lengths)[0]

    def name(self, sequence: int) -> str:
        """What a message calls a sequence."""
        return f"{self.id_name} {plain(self.ids[sequence])!r}"


def one_series(n_rows: int) -> Grouping:
    """All rows as one sequence."""
    return Grouping(np.zeros(1, np.int64), np.array([n_rows], np.int64))


def group(column: pa.ChunkedArray, name: str) -> Grouping:
    """Rows of equal id as one sequence, in row order, wherever they stand. column: (n_rows,) the id of each row.

    Raises InvalidSequence for a missing id.
    """
    column = decoded(column)
    refuse_missing(column, name)
    try:
        encoded = column.dictionary_encode().unify_dictionaries()
    except NotImplementedError as error:
        raise InvalidSequence(f"column {name!r} holds {column.type}; ids must be numbers, text or dates") from error
    ids = encoded.chunk(0).dictionary.to_numpy(zero_copy_only=False)
    codes = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
    lengths = np.bincount(codes, minlength=len(ids)).astype(np.int64)
    n_runs = 1 + np.count_nonzero(codes[1:] != codes[:-1])
    order = None if n_runs == len(ids) else np.argsort(codes, kind="stable")
    return Grouping(ids, lengths, order, name)


def is_increasing(times: np.ndarray, grouping: Grouping) -> bool:
    """Whether times, (n_rows,) sequence after sequence, strictly increase within each."""
    return bool(_rises(times, grouping).all())


def check_increasing(times: np.ndarray, name: str, grouping: Grouping) -> None:
    """Raise InvalidSequence unless times, (n_rows,) sequence after sequence, strictly increase within each."""
    rises = _rises(times, grouping)
    if rises.all():
        return
    place = int(np.argmin(rises))
    before, after = plain(times[place]), plain(times[place + 1])
    rows = f"rows {grouping.row(place)} and {grouping.row(place + 1)}"
    where = f"{grouping.name(grouping.sequence(place))}: {name}"
    unless = "; or pass id= if the rows are of several sequences" if grouping.id_name == ORDINAL else ""
    if before == after:
        raise InvalidSequence(f"{where} is {before} in both of {rows}; keep one row per time{unless}")
    raise InvalidSequence(f"{where} falls from {before} to {after} in {rows}; sort the table by {name}{unless}")


def decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A categorical column as its values; any other as it is."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column.cast(pa.large_string()) if str(column.type) == "string_view" else column


def refuse_missing(column: pa.ChunkedArray, name: str) -> None:
    """Raise InvalidSequence if an id or a time is null or NaN."""
    is_missing = column.is_null(nan_is_null=True).to_numpy()
    if is_missing.any():
        raise InvalidSequence(f"row {int(np.argmax(is_missing))} has no {name!r}; fill it in or drop the row")


def plain(value: object) -> object:
    """A value as Python writes it: no np.int64(3), and dates as text."""
    if isinstance(value, np.datetime64 | np.timedelta64):
        return str(value)
    return value.item() if isinstance(value, np.generic) else value


def _rises(times: np.ndarray, grouping: Grouping) -> np.ndarray:
    """(n_rows,) whether the next time of the same sequence is later."""
    rises = np.append(times[1:] > times[:-1], True)
    rises[grouping.starts + grouping.lengths - 1] = True  # the next sequence begins anew
    return rises
