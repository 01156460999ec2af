"""What may stand in a sequence: arrays are taken in here, and named where they cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np

from .errors import InvalidSequence

MAX_MAGNITUDE = 1e18  # squared errors of larger float32 values are no longer finite
"""The largest absolute value that a sequence may hold."""


def to_numpy(array: Any) -> np.ndarray:
    """A NumPy array of whatever is array-like, a tensor on any device included; never a copy of a NumPy array."""
    detach = getattr(array, "detach", None)
    return np.asarray(detach().cpu() if detach is not None else array)


def as_list(X: Any) -> list[Any]:
    """The sequences of X one by one."""
    if isinstance(X, str | bytes | dict):
        raise InvalidSequence(f"X must be sequences of numbers, got a {type(X).__name__}")
    if isinstance(X, list | tuple):
        return list(X)
    array = to_numpy(X)
    if array.dtype == object and array.ndim == 1:
        return list(array)
    if array.ndim != 3:
        hints = {
            1: "X[None, :, None] for one sequence of one channel",
            2: "X[None] for one sequence of many channels, X[..., None] for sequences of one channel",
        }
        hint = hints.get(array.ndim, "join the trailing axes into one axis of channels")
        raise InvalidSequence(
            f"an array X must be (n_sequences, n_steps, n_channels), got shape {array.shape}; use {hint}"
        )
    return list(array)


def as_steps(sequence: Any, i: int, missing: str) -> np.ndarray:
    """One checked sequence. Returns (n_steps, n_channels) float32."""
    array = _numbers(sequence, i)
    if array.ndim == 1 and array.size:
        array = array[:, None]
    if array.ndim == 1 or array.shape[0] == 0:
        raise InvalidSequence(f"sequence {i} has no steps; drop it, or give it at least one step")
    if array.ndim != 2:
        raise InvalidSequence(f"sequence {i} must be (n_steps, n_channels), got shape {array.shape}")
    if array.shape[1] == 0:
        raise InvalidSequence(f"sequence {i} has no channels; it has shape {array.shape}")
    check_finite(array, i, allow_nan=missing == "mask")
    return array.astype(np.float32, copy=False)


def check_finite(array: np.ndarray, i: int, *, allow_nan: bool = False, first_step: int = 0) -> None:
    """Raise InvalidSequence at the first value of sequence i that no model can use.

    array: (n_steps, n_channels); allow_nan takes NaN as missing; first_step is what the message adds to the step.
    """
    if array.dtype.kind in "iub" or not array.size:
        is_good = np.abs(array) <= MAX_MAGNITUDE if array.dtype.kind != "b" else np.ones(array.shape, bool)
    else:
        low, high = array.min(), array.max()
        if low >= -MAX_MAGNITUDE and high <= MAX_MAGNITUDE:  # false for NaN
            return
        is_good = (np.abs(array) <= MAX_MAGNITUDE) | (np.isnan(array) & allow_nan)
    if is_good.all():
        return
    step, channel = (int(k) for k in np.argwhere(~is_good)[0])
    value = array[step, channel]
    mend = (
        f"values may be as large as {MAX_MAGNITUDE:g}; rescale or clip the data"
        if np.isfinite(value)
        else "fill or drop it, or pass missing='mask' to leave NaN out of the loss"
    )
    raise InvalidSequence(f"sequence {i}, step {step + first_step}, channel {channel} is {value}; {mend}")


def _numbers(sequence: Any, i: int) -> np.ndarray:
    try:
        array = to_numpy(sequence)
    except (ValueError, TypeError) as error:
        raise InvalidSequence(f"sequence {i} is not a rectangular array of numbers: {error}") from None
    if array.dtype.kind not in "iufb":
        raise InvalidSequence(f"sequence {i} must hold real numbers, got dtype {array.dtype}")
    return array


def as_tokens(sequence: Any, i: int) -> np.ndarray:
    array = _numbers(sequence, i)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise InvalidSequence(
            f"token sequence {i} must be a vector of integers, got {array.dtype} of shape {array.shape}"
        )
    if not array.size:
        raise InvalidSequence(f"sequence {i} has no steps; drop it, or give it at least one step")
    if array.min() < 0 or array.max() >= 2**31:
        raise InvalidSequence(
            f"sequence {i} holds token {array.min() if array.min() < 0 else array.max()}; "
            "tokens are numbers from 0 to 2147483647"
        )
    return array.astype(np.int32)


def as_counts(numbers: Any, name: str) -> np.ndarray:
    array = to_numpy(numbers)
    if array.dtype == bool or not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
        raise InvalidSequence(f"{name} must be whole numbers, got {array.dtype}")
    counts = array.astype(np.int64, copy=False) if array.dtype.kind in "iu" else _whole(array, name)
    if counts.size and counts.min() < 0:
        i = int(np.argmin(counts))
        raise InvalidSequence(f"{name}[{i}] is {counts[i]}; it must not be negative")
    return counts


def _whole(array: np.ndarray, name: str) -> np.ndarray:
    is_whole = np.isfinite(array) & (np.abs(array) < 2**62) & (array == np.round(array))
    if not is_whole.all():
        i = int(np.argmin(is_whole))
        raise InvalidSequence(f"{name}[{i}] is {array.flat[i]}; it must be a whole number of steps")
    return array.astype(np.int64)
