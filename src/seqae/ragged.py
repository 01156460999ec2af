"""Sequences of any length in one array: Arrow's ListView."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from .checking import as_counts, as_list, as_steps, as_tokens, to_numpy
from .errors import InvalidParameter, InvalidSequence

if TYPE_CHECKING:
    import torch

    Array = np.ndarray | torch.Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Ragged:
    """Sequences of any length; sequence i is `values[starts[i]:starts[i]+lengths[i]]`. Sequences may overlap.

    values: (n_steps, n_channels) float32, or (n_steps,) int32 for tokens; a NumPy array, a memory map, or a tensor.
    starts, lengths: (n_sequences,) int64, in steps.
    observed: bool, shaped like values; False is missing. None means that everything was observed.

    Raises InvalidSequence if starts and lengths do not lie within values.
    """

    values: Any
    starts: np.ndarray
    lengths: np.ndarray
    observed: Any = None

    def __post_init__(self) -> None:
        starts, lengths = as_counts(self.starts, "starts"), as_counts(self.lengths, "lengths")
        if starts.shape != lengths.shape or starts.ndim != 1:
            raise InvalidSequence(
                f"starts and lengths must be vectors of one size, got shapes {starts.shape} and {lengths.shape}"
            )
        _check_within(starts, lengths, len(self.values))
        if self.observed is not None and self.observed.shape != self.values.shape:
            raise InvalidSequence(
                f"observed must have the shape of values, {tuple(self.values.shape)}, got {tuple(self.observed.shape)}"
            )
        object.__setattr__(self, "starts", starts)
        object.__setattr__(self, "lengths", lengths)

    # -- making one ------------------------------------------------------------------------------------------------

    @classmethod
    def view(cls, values: Any, starts: np.ndarray, lengths: np.ndarray, observed: Any = None) -> Ragged:
        """A Ragged of parts already known to fit together: no check, no copy."""
        self = object.__new__(cls)
        for name, part in (("values", values), ("starts", starts), ("lengths", lengths), ("observed", observed)):
            object.__setattr__(self, name, part)
        return self

    @classmethod
    def back_to_back(cls, values: Any, lengths: np.ndarray, observed: Any = None) -> Ragged:
        """Sequences that follow one another in values, each starting where the last one ended."""
        lengths = as_counts(lengths, "lengths")
        return cls(values, starts_of(lengths), lengths, observed)

    @classmethod
    def from_any(cls, X: Any, *, missing: Literal["error", "mask"] = "error") -> Ragged:
        """Sequences from arrays in memory.

        X: a Ragged; a list (or object array) of (n_i, n_channels) arrays, or of (n_i,) arrays with one channel;
            or one (n_sequences, n_steps, n_channels) array. NumPy arrays, nested lists and tensors are all taken.
        missing: "error" refuses NaN; "mask" takes NaN as not observed.

        Raises InvalidSequence naming sequence, step and channel.
        """
        if isinstance(X, Ragged):
            return X
        if missing not in ("error", "mask"):
            raise InvalidParameter(f"missing must be 'error' or 'mask', got {missing!r}")
        arrays = as_list(X)
        if len(arrays) == 0:
            raise InvalidSequence("X holds no sequences; pass at least one")
        parts = [as_steps(array, i, missing) for i, array in enumerate(arrays)]
        n_channels = parts[0].shape[1]
        for i, part in enumerate(parts):
            if part.shape[1] != n_channels:
                raise InvalidSequence(
                    f"sequence {i} must have {n_channels} channels as sequence 0 has, got {part.shape[1]}; "
                    "every sequence is (n_steps, n_channels) with the same channels"
                )
        lengths = np.array([len(part) for part in parts], np.int64)
        values = np.concatenate(parts) if len(parts) > 1 else np.ascontiguousarray(parts[0])
        if missing == "error":
            return cls.back_to_back(values, lengths)
        observed = ~np.isnan(values)
        return cls.back_to_back(
            np.where(observed, values, np.float32(0)), lengths, None if observed.all() else observed
        )

    @classmethod
    def from_tokens(cls, X: Sequence[Any]) -> Ragged:
        """Token sequences from a list of integer vectors.

        Raises InvalidSequence for anything but integers from 0 to 2**31 - 1.
        """
        if len(X) == 0:
            raise InvalidSequence("X holds no sequences; pass at least one")
        parts = [as_tokens(array, i) for i, array in enumerate(X)]
        return cls.back_to_back(np.concatenate(parts), np.array([len(part) for part in parts], np.int64))

    @classmethod
    def from_padded(
        cls,
        array: Any,
        *,
        lengths: Any = None,
        padding_value: float | None = None,
        side: Literal["post", "pre"] = "post",
    ) -> Ragged:
        """Sequences from an array that was padded to one length; only whole padded steps at the named side are cut.

        array: (n_sequences, n_steps, n_channels). Give either `lengths` (n_sequences,) or the `padding_value`.
        side: "post" if the padding follows the data, "pre" if it comes first.

        Raises InvalidParameter unless exactly one of lengths and padding_value is given; InvalidSequence for a wrong
        shape, for lengths outside 1..n_steps, and for a sequence that is padding throughout.
        """
        if (lengths is None) == (padding_value is None):
            raise InvalidParameter("from_padded needs exactly one of lengths=... and padding_value=...")
        if side not in ("post", "pre"):
            raise InvalidParameter(f"side must be 'post' or 'pre', got {side!r}")
        padded = to_numpy(array)
        if padded.ndim != 3:
            raise InvalidSequence(f"a padded array must be (n_sequences, n_steps, n_channels), got {padded.shape}")
        if lengths is None:
            lengths = _unpadded_lengths(padded, padding_value, side)
        lengths = as_counts(lengths, "lengths")
        n_sequences, n_steps, n_channels = padded.shape
        if lengths.shape != (n_sequences,):
            raise InvalidSequence(f"lengths must have shape ({n_sequences},), got {lengths.shape}")
        if bad := [i for i, length in enumerate(lengths) if not 1 <= length <= n_steps]:
            raise InvalidSequence(f"sequence {bad[0]} has length {lengths[bad[0]]}; it must lie in 1..{n_steps}")
        firsts = np.zeros(n_sequences, np.int64) if side == "post" else n_steps - lengths
        for i, (first, length) in enumerate(zip(firsts, lengths, strict=True)):
            as_steps(padded[i, first : first + length], i, "error")
        flat = np.ascontiguousarray(padded, np.float32).reshape(-1, n_channels)
        return cls(flat, np.arange(n_sequences) * n_steps + firsts, lengths)

    # -- looking at it ---------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def n_steps(self) -> int:
        """Steps of all sequences together; a step that two sequences share counts twice."""
        return int(self.lengths.sum())

    @property
    def is_tokens(self) -> bool:
        """Whether the steps are token numbers rather than vectors."""
        return self.values.ndim == 1

    @property
    def n_channels(self) -> int:
        """Values of one step; 1 for tokens."""
        return 1 if self.is_tokens else int(self.values.shape[1])

    @overload
    def __getitem__(self, index: int | np.integer) -> Any: ...
    @overload
    def __getitem__(self, index: slice | np.ndarray | Sequence[int]) -> Ragged: ...
    def __getitem__(self, index: Any) -> Any:
        """Sequence i as (n_i, n_channels), or a Ragged of the chosen sequences; neither copies values."""
        if isinstance(index, int | np.integer):
            start = self.starts[index]
            return self.values[start : start + self.lengths[index]]
        index = index if isinstance(index, slice) else np.asarray(index)
        return Ragged.view(self.values, self.starts[index], self.lengths[index], self.observed)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        shortest, longest = (self.lengths.min(), self.lengths.max()) if len(self) else (0, 0)
        kind = "tokens" if self.is_tokens else f"{self.n_channels} channels"
        return f"Ragged({len(self)} sequences of {shortest}..{longest} steps, {kind})"

    # -- turning it into something else ----------------------------------------------------------------------------

    def step_indices(self) -> np.ndarray:
        """Rows of values in sequence order. Returns (n_steps,) int64."""
        offsets = self.starts - starts_of(self.lengths)
        return np.arange(self.n_steps) + np.repeat(offsets, self.lengths)

    def is_compact(self) -> bool:
        """Whether values holds exactly these sequences, one after the other."""
        return self.n_steps == len(self.values) and bool(np.array_equal(self.starts, starts_of(self.lengths)))

    def compact(self) -> Ragged:
        """The same sequences back to back, in values of their own; itself if they are so already."""
        if self.is_compact():
            return self
        rows = self.step_indices()
        observed = None if self.observed is None else self.observed[rows]
        return Ragged.view(self.values[rows], starts_of(self.lengths), self.lengths, observed)

    def windows(self, length: int, stride: int = 1) -> Ragged:
        """Every window of `length` steps, `stride` apart, within each sequence; windows share memory.

        The last window of a sequence ends at its last step, also where the stride does not divide; a sequence shorter
        than `length` gives none. Raises InvalidParameter unless length and stride are 1 or more.
        """
        for name, count in (("length", length), ("stride", stride)):
            if not isinstance(count, int | np.integer) or count < 1:
                raise InvalidParameter(f"{name} must be a whole number of at least 1, got {count!r}")
        starts = [
            start + _window_offsets(n, length, stride) for start, n in zip(self.starts, self.lengths, strict=True)
        ]
        joined = np.concatenate(starts) if starts else np.zeros(0, np.int64)
        return Ragged.view(self.values, joined, np.full(len(joined), length, np.int64), self.observed)

    def to_padded(
        self, *, padding_value: float = 0.0, side: Literal["post", "pre"] = "post"
    ) -> tuple[np.ndarray, np.ndarray]:
        """The padded array (n_sequences, longest, n_channels) and the lengths (n_sequences,)."""
        if side not in ("post", "pre"):
            raise InvalidParameter(f"side must be 'post' or 'pre', got {side!r}")
        longest = int(self.lengths.max(initial=0))
        padded = np.full((len(self), longest, *self.values.shape[1:]), padding_value, to_numpy(self.values[:0]).dtype)
        for row, sequence, length in zip(padded, self, self.lengths, strict=True):
            (row[:length] if side == "post" else row[longest - length :])[...] = to_numpy(sequence)
        return padded, self.lengths.copy()


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """Where each sequence starts when they lie back to back. lengths, result: (n_sequences,) int64."""
    ends = np.cumsum(lengths)
    return ends - lengths


def windows(series: Any, length: int, stride: int = 1) -> Ragged:
    """Every window of one series, sharing its memory. series: (n_steps, n_channels) or (n_steps,)."""
    return Ragged.from_any([series]).windows(length, stride)


def _window_offsets(n_steps: int, length: int, stride: int) -> np.ndarray:
    if n_steps < length:
        return np.zeros(0, np.int64)
    offsets = np.arange(0, n_steps - length + 1, stride, dtype=np.int64)
    return offsets if offsets[-1] == n_steps - length else np.append(offsets, n_steps - length)


def _check_within(starts: np.ndarray, lengths: np.ndarray, n_rows: int) -> None:
    is_outside = (starts > n_rows) | (lengths > n_rows - starts)
    if is_outside.any():
        i = int(np.argmax(is_outside))
        raise InvalidSequence(
            f"sequence {i} starts at step {starts[i]} and has {lengths[i]} steps, but values holds only {n_rows} steps"
        )


def _unpadded_lengths(padded: np.ndarray, padding_value: Any, side: str) -> np.ndarray:
    is_data = ~(np.isnan(padded) if padding_value != padding_value else padded == padding_value).all(axis=2)
    if side == "pre":
        is_data = is_data[:, ::-1]
    lengths = padded.shape[1] - np.argmax(is_data[:, ::-1], axis=1) if padded.shape[1] else np.zeros(len(padded), int)
    empty = ~is_data.any(axis=1)
    if empty.any():
        i = int(np.argmax(empty))
        raise InvalidSequence(
            f"sequence {i} holds only the padding value {padding_value}; leave it out, or pass lengths="
        )
    return lengths
