"""Check arrays and values of sequences, and name the place of an error."""

from __future__ import annotations

import mmap
from contextlib import suppress
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np

from ..errors import InvalidSequence, UnreadableFile


def mapping_of(array: object) -> mmap.mmap | None:
    """The memory map that an array's values lie in; None if they lie in memory of their own."""
    while isinstance(array, np.ndarray):
        array = array.base
    return array if isinstance(array, mmap.mmap) else None


def advise_random(mapping: mmap.mmap | None) -> None:
    """Tell the system that rows are read here and there, so that it does not read what lies around them."""
    if mapping is not None:
        with suppress(AttributeError, OSError, ValueError):  # Windows knows no such advice
            mapping.madvise(mmap.MADV_RANDOM)


def advise_sequential(mapping: mmap.mmap | None) -> None:
    """Tell the system that rows are read from first to last, so that it reads ahead."""
    if mapping is not None:
        with suppress(AttributeError, OSError, ValueError):
            mapping.madvise(mmap.MADV_SEQUENTIAL)


def check_whole(mapping: mmap.mmap | None) -> None:
    """Raise UnreadableFile if the file of a map was cut short: reading beyond its end would kill the process."""
    if mapping is None:
        return
    try:
        size = mapping.size()
    except (OSError, ValueError):  # a map of no file
        return
    if size < len(mapping):
        raise UnreadableFile(
            f"the file of a memory map was cut from {len(mapping)} to {size} bytes while it was read; write it again, "
            "and leave it as it is until the work is done"
        )


MAX_MAGNITUDE = 1e18  # squared errors of larger float32 values are no longer finite
"""The largest absolute value in a sequence."""
CHECKED_ROWS = 1 << 12  # this many stay in cache during checks


def kept_dtype(dtype: np.dtype) -> type[np.float32] | type[np.float64]:
    """The dtype for values of a real dtype: float32 if it represents all of them, else float64."""
    return np.float32 if np.can_cast(dtype, np.float32, "safe") else np.float64


def to_numpy(array: Any) -> np.ndarray:
    """A NumPy array of anything array-like, tensors on any device included; never a copy of a plain NumPy array.

    The masked values of a masked array become NaN.
    """
    if type(array) is np.ndarray:
        return array
    if isinstance(array, np.ma.MaskedArray):
        return np.ma.filled(array.astype(np.float64), np.nan)
    detach = getattr(array, "detach", None)
    return np.asarray(detach().cpu() if detach is not None else array)


def join(X: Any) -> tuple[np.ndarray, np.ndarray]:
    """The steps of all sequences, back to back, in their own real dtype.

    X: a list (or object array) of (n_i, n_channels) or (n_i,) arrays, or one (n_sequences, n_steps, n_channels) array.
    Returns values (n_steps, n_channels), a view of X where that is possible, and lengths (n_sequences,).

    Raises InvalidSequence for anything else, for no sequences, and for sequences without steps or channels.
    """
    block = X if isinstance(X, list | tuple) else _block(X)
    if len(block) == 0:
        raise InvalidSequence("X holds no sequences; pass at least one")
    if isinstance(block, np.ndarray):
        return _join_block(block)
    parts = [as_steps(sequence, i) for i, sequence in enumerate(block)]
    _check_same_channels(parts)
    lengths = np.array([len(part) for part in parts], np.int64)
    return (np.concatenate(parts) if len(parts) > 1 else parts[0]), lengths


def as_steps(sequence: Any, i: int) -> np.ndarray:
    """Sequence i as (n_steps, n_channels), in its own real dtype; values are not checked yet."""
    array = as_numbers(sequence, f"sequence {i}")
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim == 0:
        raise InvalidSequence(
            f"sequence {i} must be (n_steps, n_channels), got the single number {array}; for one series pass [X]"
        )
    if array.ndim != 2:
        raise InvalidSequence(f"sequence {i} must be (n_steps, n_channels), got shape {array.shape}")
    _check_not_empty(array.shape, i)
    return array


def as_numbers(array: Any, name: str) -> np.ndarray:
    """An array of real numbers, of any shape; `name` is its name in messages."""
    try:
        array = to_numpy(array)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InvalidSequence(f"{name} must be an array of numbers; {_why_no_array(array, error)}") from error
    if array.dtype.kind in "iufb":
        return array
    if array.dtype.kind == "O":
        return _numbers_of_objects(array, name)
    raise InvalidSequence(f"{name} must hold real numbers, got {_in_words(array.dtype)}")


def as_tokens(sequence: Any, i: int) -> np.ndarray:
    """Token sequence i, (n_steps,) int32."""
    array = as_numbers(sequence, f"sequence {i}")
    if not array.size:
        raise InvalidSequence(f"sequence {i} has no steps; drop it, or give it at least one step")
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InvalidSequence(
            f"token sequence {i} must be a vector of integers, got {array.dtype} of shape {array.shape}"
        )
    low, high = array.min(), array.max()
    if low < 0 or high >= 2**31:
        raise InvalidSequence(
            f"sequence {i} holds token {low if low < 0 else high}; tokens are numbers from 0 to 2147483647"
        )
    return array.astype(np.int32)


def as_counts(numbers: Any, name: str) -> np.ndarray:
    """Whole numbers of at least 0, int64; `name` is their name in messages."""
    array = to_numpy(numbers)
    if array.dtype.kind not in "iuf":
        raise InvalidSequence(f"{name} must be whole numbers, got {_in_words(array.dtype)}")
    counts = array.astype(np.int64, copy=False) if array.dtype.kind in "iu" else _whole(array, name)
    if counts.size and counts.min() < 0:
        i = int(np.argmin(counts))
        raise InvalidSequence(f"{name}[{i}] is {counts.flat[i]}; it must not be negative")
    return counts


def check_values(
    values: Any, starts: np.ndarray, lengths: np.ndarray, *, allow_nan: bool = False, observed: Any = None
) -> None:
    """Raise InvalidSequence at the first value that no model can use.

    Values between sequences, or not observed, may be anything. Values are checked some rows at a time.
    values, observed: (n_rows, n_channels); starts, lengths: (n_sequences,), sequences may overlap.
    allow_nan: takes NaN as missing.
    """
    is_covered: np.ndarray | None = None
    mapping = mapping_of(values)
    advise_sequential(mapping)
    for first in range(0, len(values), CHECKED_ROWS):
        check_whole(mapping)
        chunk = to_numpy(values[first : first + CHECKED_ROWS])
        if observed is not None:
            chunk = np.where(to_numpy(observed[first : first + len(chunk)]), chunk, 0)
        rows = unusable_rows(chunk, allow_nan=allow_nan)
        if len(rows):
            is_covered = _covered(starts, lengths, len(values)) if is_covered is None else is_covered
        for row in rows[is_covered[first + rows]][:1] if is_covered is not None else ():
            channel = unusable_channel(chunk[row], allow_nan=allow_nan)
            at = first + row
            i = int(np.argmax((starts <= at) & (at < starts + lengths)))
            raise unusable(f"sequence {i}, step {at - starts[i]}, channel {channel}", chunk[row, channel])


def _covered(starts: np.ndarray, lengths: np.ndarray, n_rows: int) -> np.ndarray:
    """Whether each row is part of a sequence. Returns (n_rows,) bool."""
    opened = np.bincount(starts, minlength=n_rows + 1) - np.bincount(starts + lengths, minlength=n_rows + 1)
    return np.cumsum(opened)[:n_rows] > 0


def check_scores(scores: np.ndarray) -> None:
    """Raise InvalidSequence if there are no scores."""
    if not len(scores):
        raise InvalidSequence("there are no normal scores to learn the threshold from; label some data as normal")


def unusable_rows(values: np.ndarray, *, allow_nan: bool = False) -> np.ndarray:
    """Rows that hold NaN, infinity or a value beyond MAX_MAGNITUDE. values: (n_rows, n_channels). Returns (k,)."""
    if not values.size:
        return np.zeros(0, np.int64)
    with np.errstate(invalid="ignore"):
        low, high = values.min(), values.max()
    limit = _limit(values.dtype)
    if low >= -limit and high <= limit:  # false for NaN
        return np.zeros(0, np.int64)
    return np.flatnonzero(~_is_usable(values, allow_nan).all(axis=1))


def unusable_channel(row: np.ndarray, *, allow_nan: bool = False) -> int:
    """The first channel of a step, (n_channels,), with an unusable value."""
    return int(np.argmin(_is_usable(row, allow_nan)))


def unusable(place: str, value: Any) -> InvalidSequence:
    """The error for an unusable value. place: in words; value: None if it is missing."""
    if value is None or value != value:
        return InvalidSequence(
            f"{place} is {'missing' if value is None else 'NaN'}; "
            "fill it, drop the step, or read the data with missing='mask' to leave missing values out of the loss"
        )
    if abs(float(value)) == np.inf:
        return InvalidSequence(f"{place} is {value}; replace it, or make it NaN and read the data with missing='mask'")
    return InvalidSequence(f"{place} is {value}; values may be as large as {MAX_MAGNITUDE:g}: rescale or clip the data")


def _is_usable(values: np.ndarray, allow_nan: bool) -> np.ndarray:
    limit = _limit(values.dtype)
    is_usable = (values >= -limit) & (values <= limit)
    return is_usable | np.isnan(values) if allow_nan else is_usable


def _limit(dtype: np.dtype) -> float:
    """MAX_MAGNITUDE, or the largest finite value of a smaller type such as float16."""
    return min(MAX_MAGNITUDE, float(np.finfo(dtype).max)) if dtype.kind == "f" else MAX_MAGNITUDE


def _block(X: Any) -> np.ndarray | list[Any]:
    """X as one (n_sequences, n_steps, n_channels) array, or as a list of sequences if it is an object array of them."""
    if isinstance(X, str | bytes | dict | set) or X is None:
        raise InvalidSequence(
            f"X must be a list of (n_steps, n_channels) arrays, or one (n_sequences, n_steps, n_channels) array, "
            f"got a {type(X).__name__}"
        )
    if isinstance(X, np.ndarray) and X.dtype.kind == "O" and X.ndim == 1:
        return list(X)
    array = as_numbers(X, "X")
    if array.ndim == 3:
        return array
    hints = {
        0: "a list",
        1: "X[None, :, None] for one sequence of one channel",
        2: "X[None] for one sequence of many channels, X[..., None] for sequences of one channel",
    }
    hint = hints.get(array.ndim, "reshape() to join the trailing axes into one axis of channels")
    raise InvalidSequence(f"an array X must be (n_sequences, n_steps, n_channels), got shape {array.shape}; use {hint}")


def _join_block(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    n_sequences, n_steps, n_channels = block.shape
    _check_not_empty((n_steps, n_channels), 0)
    return block.reshape(-1, n_channels), np.full(n_sequences, n_steps, np.int64)


def _check_not_empty(shape: tuple[int, ...], i: int) -> None:
    if shape[0] == 0:
        raise InvalidSequence(f"sequence {i} has no steps; drop it, or give it at least one step")
    if shape[1] == 0:
        raise InvalidSequence(f"sequence {i} has no channels: its shape is {shape}; give every step at least one value")


def _check_same_channels(parts: list[np.ndarray]) -> None:
    n_channels = parts[0].shape[1]
    for i, part in enumerate(parts):
        if part.shape[1] != n_channels:
            raise InvalidSequence(
                f"sequence {i} must have {n_channels} channels as sequence 0 has, got {part.shape[1]}; "
                "every sequence is (n_steps, n_channels) with the same channels"
            )


def _why_no_array(array: Any, error: Exception) -> str:
    """A message about the first step whose number of channels differs from step 0, else NumPy's message."""
    if isinstance(array, list | tuple):
        sizes = [np.size(step) if isinstance(step, list | tuple | np.ndarray) else None for step in array]
        for step, size in enumerate(sizes):
            if size != sizes[0]:
                counts = ["no list" if n is None else f"{n} values" for n in (size, sizes[0])]
                return f"step {step} is {counts[0]}, but step 0 is {counts[1]}: give every step the same channels"
    return f"got a {type(array).__name__} that cannot be made one ({' '.join(str(error).split())})"


def _numbers_of_objects(array: np.ndarray, name: str) -> np.ndarray:
    """Python numbers as float64; None is NaN. Text is refused, though NumPy would parse it."""
    for index, value in np.ndenumerate(array):
        if not (value is None or isinstance(value, Real | Decimal | np.bool_)):
            raise InvalidSequence(
                f"{name} must hold real numbers, got {_shortened(value)} of type {type(value).__name__}{_at(index)}"
            )
    try:
        return array.astype(np.float64)
    except OverflowError as error:
        raise InvalidSequence(f"{name} holds a number beyond {MAX_MAGNITUDE:g}; rescale or clip the data") from error


def _at(index: tuple[int, ...]) -> str:
    names = ("sequence", "step", "channel")[-len(index) :] if len(index) != 1 else ("step",)
    return "".join(f", {axis} {k}" for axis, k in zip(names, index, strict=False))


def _shortened(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else text[:37] + "..."


def _in_words(dtype: np.dtype) -> str:
    if dtype.names:
        return f"records with the fields {', '.join(map(repr, dtype.names[:8]))}; pass a data frame made of them"
    words = {
        "U": "text",
        "S": "bytes",
        "T": "text",
        "c": "complex numbers",
        "M": "dates",
        "m": "durations",
        "b": "bool",
    }
    return f"{words.get(dtype.kind, 'other things')} (dtype {dtype})"


def _whole(array: np.ndarray, name: str) -> np.ndarray:
    is_whole = np.isfinite(array) & (np.abs(array) < 2**62) & (array == np.round(array))
    if not is_whole.all():
        i = int(np.argmin(is_whole))
        raise InvalidSequence(f"{name}[{i}] is {array.flat[i]}; it must be a whole number of steps")
    return array.astype(np.int64)
