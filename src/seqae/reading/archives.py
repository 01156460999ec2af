"""NumPy's own files: NPZ and NPY. Pickled objects are refused, since loading them would run code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InvalidParameter, InvalidSequence, UnreadableFile
from ..sequences.checks import as_counts, as_numbers
from ..sequences.ragged import Ragged, starts_of
from .expanding import check_archive, most_bytes
from .grouping import Grouping, check_increasing
from .source import Layout, Source, numbered, source_of_arrays

if TYPE_CHECKING:
    from numpy.lib.npyio import NpzFile

_PICKLED = "holds Python objects, and loading those could run code; save numbers, in an array of a numeric dtype"


def read_npy(path: Path, layout: Layout) -> Source:
    """One (n_sequences, n_steps, n_channels) array; float32 in C order stays on disk, as a memory map."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise UnreadableFile(_PICKLED if "object" in str(error).lower() else _damaged(error)) from error
    return source_of_arrays(array, layout)


def read_npz(path: Path, layout: Layout) -> Source:
    """Arrays `values` and `lengths`, or else the only (n_sequences, n_steps, n_channels) array.

    values: (n_steps, n_channels), sequences back to back; (n_steps,) is one channel if real, and tokens if
        integer. lengths: (n_sequences,), which must add up to n_steps.

    Raises UnreadableFile if neither is there, and InvalidSequence for lengths that do not fit.
    """
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        check_archive(archive.zip, most_bytes(path, layout))
        if {"values", "lengths"} <= set(archive.files):
            return _ragged_source(archive, layout)
        n_axes = 2 if layout.wide else 3
        arrays = dict(_plain_arrays(archive))
        fitting = [array for array in arrays.values() if array.ndim == n_axes]
        if len(fitting) != 1:
            held = ", ".join(f"{name} {array.shape}" for name, array in list(arrays.items())[:6])
            raise UnreadableFile(
                f"must hold arrays 'values' and 'lengths', or just one with {n_axes} axes; "
                f"it holds {held or 'none'}{', ...' if len(arrays) > 6 else ''}"
            )
        return source_of_arrays(fitting[0], layout)


def _ragged_source(archive: NpzFile, layout: Layout) -> Source:
    values = as_numbers(_loaded(archive, "values"), "values")
    lengths = _checked_lengths(_loaded(archive, "lengths"), values)
    starts = starts_of(lengths)
    if values.ndim == 1 and values.dtype.kind in "iu":
        ragged = Ragged.from_tokens(np.split(values, starts[1:]))
    else:
        ragged = Ragged.checked(values.reshape(len(values), -1), starts, lengths, layout.treatment)
    source = _with_ids(numbered(ragged, layout.channels), archive, layout.id)
    return _with_times(source, archive, layout.time)


def _checked_lengths(lengths: np.ndarray, values: np.ndarray) -> np.ndarray:
    lengths = as_counts(lengths, "lengths")
    if values.ndim not in (1, 2) or lengths.ndim != 1 or 0 in (lengths.size, values.size):
        raise InvalidSequence(
            "values must be (n_steps, n_channels) and lengths (n_sequences,), neither of them empty; "
            f"got shapes {values.shape} and {lengths.shape}"
        )
    if (lengths == 0).any():
        raise InvalidSequence(f"lengths[{int(np.argmin(lengths))}] is 0; leave sequences without steps out")
    total = sum(lengths.tolist())  # Python's integers do not overflow
    if total != len(values):
        raise InvalidSequence(f"lengths add up to {total} steps, but values has {len(values)}; they must agree")
    return lengths


def _with_ids(source: Source, archive: NpzFile, name: str | None) -> Source:
    if name is None:
        return source
    ids = _named(archive, "id", name)
    if ids.shape != (len(source),):
        raise InvalidParameter(f"id={name!r} must be one per sequence, shape ({len(source)},), got {ids.shape}")
    return replace(source, ids=ids, id_name=name)


def _with_times(source: Source, archive: NpzFile, name: str | None) -> Source:
    if name is None:
        return source
    times = _named(archive, "time", name)
    n_steps = source.ragged.n_steps
    if times.shape != (n_steps,):
        raise InvalidParameter(f"time={name!r} must be one per step, shape ({n_steps},), got {times.shape}")
    check_increasing(times, name, Grouping(source.ids, source.ragged.lengths, id_name=source.id_name))
    return replace(source, times=times, time_name=name)


def _named(archive: NpzFile, argument: str, name: str) -> np.ndarray:
    if name not in archive.files:
        raise InvalidParameter(f"{argument}={name!r} is not in the file; it holds {', '.join(archive.files)}")
    return _loaded(archive, name)


def _loaded(archive: NpzFile, name: str) -> np.ndarray:
    try:
        return archive[name]
    except ValueError as error:
        raise UnreadableFile(
            f"array {name!r} {_PICKLED if 'object' in str(error).lower() else _damaged(error)}"
        ) from error


def _plain_arrays(archive: NpzFile) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays without Python objects."""
    for name in archive.files:
        try:
            yield name, archive[name]
        except ValueError:
            continue


def _damaged(error: Exception) -> str:
    return f"is damaged or cut short; copy or write it again ({' '.join(str(error).split())})"
