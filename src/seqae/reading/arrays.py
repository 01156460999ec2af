"""Arrays in memory as a Source without ids and times."""

from __future__ import annotations

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..sequences.checks import as_numbers
from ..sequences.ragged import Ragged
from .notices import notice_arrays
from .source import Layout, Source, numbered


def source_of_arrays(X: object, layout: Layout) -> Source:
    """The Source of anything that Ragged.from_any takes; with wide=True, of one (n_sequences, n_steps) array.

    Raises InvalidParameter for id= and time=, which need named columns.
    """
    for name, column in (("id", layout.id), ("time", layout.time)):
        if column is not None:
            raise InvalidParameter(
                f"{name}={column!r} names a column, but X is {type(X).__name__} without named columns; "
                f"pass a data frame or a table, or leave {name} out"
            )
    ragged = _wide(X, layout) if layout.wide else Ragged.from_any(X, missing=layout.missing)
    source = numbered(ragged, layout.channels)
    if not (layout.wide or ragged.is_tokens or ragged is X):
        notice_arrays(ragged, layout)
    return source


def _wide(X: object, layout: Layout) -> Ragged:
    rows = as_numbers(X, "X")
    if rows.ndim != 2:
        raise InvalidSequence(f"with wide=True an array must be (n_sequences, n_steps), got shape {rows.shape}")
    return Ragged.from_padded(rows[:, :, None], padding_value=np.nan, missing=layout.missing)
