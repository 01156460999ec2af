"""Sequences of any length in one array: Arrow's ListView."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from .checks import as_counts, as_numbers, as_tokens, check_values, join, kept_dtype, to_numpy

if TYPE_CHECKING:
    import torch

    Array = np.ndarray | torch.Tensor


@dataclass(frozen=True, eq=False, slots=True)
class Ragged:
    """Sequences of any length; sequence i is `values[starts[i]:starts[i]+lengths[i]]`. Sequences may overlap.

    values: (n_steps, n_channels) float32, or (n_steps,) int32 for tokens; a NumPy array, a memory map, or a tensor.
        float64 values keep their precision until a model centres them.
    starts, lengths: (n_sequences,) int64, in steps.
    observed: bool, shaped like values; False is missing. None means that everything was observed.

    Raises InvalidSequence if starts and lengths do not lie within values.
    """

    kind: ClassVar[Literal["steps"]] = "steps"
    """How a recurrent layer takes it: other inputs have one vector per sequence, see recurrence/backend.py."""
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
        """A Ragged of valid parts, without check or copy."""
        self = object.__new__(cls)
        for name, part in (("values", values), ("starts", starts), ("lengths", lengths), ("observed", observed)):
            object.__setattr__(self, name, part)
        return self

    @classmethod
    def back_to_back(cls, values: Any, lengths: np.ndarray, observed: Any = None) -> Ragged:
        """Sequences that lie back to back in values."""
        lengths = as_counts(lengths, "lengths")
        return cls(values, starts_of(lengths), lengths, observed)

    @classmethod
    def from_any(cls, X: Any, *, missing: Literal["mask", "error"] = "mask") -> Ragged:
        """Sequences from arrays in memory.

        X: a Ragged; a list (or object array) of (n_i, n_channels) arrays, or of (n_i,) arrays with one channel;
            or one (n_sequences, n_steps, n_channels) array. NumPy arrays, nested lists and tensors are all taken;
            C-ordered arrays of floats, memory maps included, are not copied. Values beyond float32 are float64.
        missing: "mask" takes NaN as not observed; "error" refuses it.

        Raises InvalidSequence naming sequence, step and channel; InvalidParameter for another `missing`.
        """
        if (ragged := as_ragged(X)) is not None:
            return ragged
        values, lengths = join(X)
        return cls.checked(values, starts_of(lengths), lengths, missing)

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
        missing: Literal["mask", "error"] = "mask",
    ) -> Ragged:
        """Sequences from an array that was padded to one length; only whole padded steps at the named side are cut.

        array: (n_sequences, n_steps, n_channels). Give either `lengths` (n_sequences,) or the `padding_value`.
        side: "post" if the padding follows the data, "pre" if it comes first.
        missing: as in from_any; the padding itself may be anything.

        Raises InvalidParameter unless exactly one of lengths and padding_value is given; InvalidSequence for a wrong
        shape, for lengths outside 1..n_steps, and for a sequence that is padding throughout.
        """
        if (lengths is None) == (padding_value is None):
            raise InvalidParameter("from_padded needs exactly one of lengths=... and padding_value=...")
        _check_choice("side", side, ("post", "pre"))
        padded = as_numbers(array, "a padded array")
        if padded.ndim != 3:
            raise InvalidSequence(f"a padded array must be (n_sequences, n_steps, n_channels), got {padded.shape}")
        if lengths is None:
            lengths = _unpadded_lengths(padded, padding_value, side)
        lengths = _checked_lengths(lengths, padded)
        n_sequences, n_steps, n_channels = padded.shape
        firsts = 0 if side == "post" else n_steps - lengths
        starts = np.arange(n_sequences, dtype=np.int64) * n_steps + firsts
        return cls.checked(padded.reshape(-1, n_channels), starts, lengths, missing)

    @classmethod
    def checked(cls, values: np.ndarray, starts: np.ndarray, lengths: np.ndarray, missing: str) -> Ragged:
        """A Ragged of raw numbers: checks each value, then converts to float32 or float64.

        values: (n_rows, n_channels) in any real dtype; starts: ascending, and sequences that do not overlap.
        missing: as in from_any. Raises as from_any does.
        """
        _check_choice("missing", missing, ("mask", "error"))
        check_values(values, starts, lengths, allow_nan=missing == "mask")
        with np.errstate(over="ignore", invalid="ignore"):  # padding may be too large for float32
            values = np.ascontiguousarray(values, kept_dtype(values.dtype))
        is_nan = np.isnan(values) if missing == "mask" else np.False_
        if not is_nan.any():
            return cls(values, starts, lengths)
        return cls(np.where(is_nan, values.dtype.type(0), values), starts, lengths, ~is_nan)

    # -- looking at it ---------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def shape(self) -> tuple[int]:
        """(n_sequences,), which tells scikit-learn's splitters and searches that index arrays work."""
        return (len(self.lengths),)

    @property
    def n_steps(self) -> int:
        """The number of steps of all sequences; a step that two sequences share counts twice."""
        return int(self.lengths.sum())

    @property
    def is_tokens(self) -> bool:
        """Whether the steps are tokens instead of vectors."""
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
        index = as_index(index)
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

    def owners(self) -> np.ndarray:
        """The sequence of each step, in sequence order. Returns (n_steps,) int64."""
        return owners_of(self.lengths)

    def step_numbers(self) -> np.ndarray:
        """The number of each step within its sequence, from 0, in sequence order. Returns (n_steps,) int64."""
        return step_numbers_of(self.lengths)

    def is_compact(self) -> bool:
        """Whether values contains exactly these sequences, back to back."""
        return self.n_steps == len(self.values) and bool(np.array_equal(self.starts, starts_of(self.lengths)))

    def compact(self) -> Ragged:
        """The same sequences back to back in their own array; itself if it is compact."""
        if self.is_compact():
            return self
        rows = self.step_indices()
        observed = None if self.observed is None else self.observed[rows]
        return Ragged.view(self.values[rows], starts_of(self.lengths), self.lengths, observed)

    def windows(self, length: int, stride: int = 1) -> Ragged:
        """Every window of `length` steps, `stride` apart, within each sequence; windows share memory.

        The last window of a sequence ends at its last step, even if the stride does not divide; a sequence shorter
        than `length` has none. Raises InvalidParameter unless length and stride are 1 or more.
        """
        for name, count in (("length", length), ("stride", stride)):
            if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 1:
                raise InvalidParameter(f"{name} must be a whole number of at least 1, got {count!r}")
        room = self.lengths - length  # where the last window of each sequence starts
        counts = np.where(room < 0, 0, -(-room // stride) + 1)
        ordinals = step_numbers_of(counts)
        offsets = np.minimum(ordinals * stride, np.repeat(room, counts))
        starts = np.repeat(self.starts, counts) + offsets
        return Ragged.view(self.values, starts, np.full(len(starts), length, np.int64), self.observed)

    def to_padded(
        self, *, padding_value: float = 0.0, side: Literal["post", "pre"] = "post"
    ) -> tuple[np.ndarray, np.ndarray]:
        """The padded array (n_sequences, longest, n_channels) and the lengths (n_sequences,)."""
        _check_choice("side", side, ("post", "pre"))
        longest = int(self.lengths.max(initial=0))
        padded = np.full((len(self), longest, *self.values.shape[1:]), padding_value, to_numpy(self.values[:0]).dtype)
        columns, lengths = np.arange(longest), self.lengths[:, None]
        is_data = columns < lengths if side == "post" else columns >= longest - lengths  # (n_sequences, longest)
        padded[is_data] = to_numpy(self.values[self.step_indices()])
        return padded, self.lengths.copy()


def back_to_back(values: Any, lengths: np.ndarray) -> Ragged:
    """A Ragged of back-to-back sequences, without check or copy."""
    return Ragged.view(values, starts_of(lengths), lengths)


def as_index(index: Any) -> slice | np.ndarray:
    """A slice or an array of indices, as NumPy takes them; scikit-learn's (indices, ...) are the indices."""
    if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:
        index = index[0]
    if isinstance(index, slice):
        return index
    return np.asarray(index) if len(index) else np.zeros(0, np.int64)


def windows(series: Any, length: int, stride: int = 1) -> Ragged:
    """Every window of one series, sharing its memory. series: (n_steps, n_channels) or (n_steps,)."""
    return Ragged.from_any([series]).windows(length, stride)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InvalidParameter(f"{name} must be {' or '.join(map(repr, choices))}, got {value!r}")


def _check_within(starts: np.ndarray, lengths: np.ndarray, n_rows: int) -> None:
    is_outside = (starts > n_rows) | (lengths > n_rows - starts)
    if is_outside.any():
        i = int(np.argmax(is_outside))
        raise InvalidSequence(
            f"sequence {i} starts at step {starts[i]} and has {lengths[i]} steps, but values holds only {n_rows} steps"
        )


def _checked_lengths(lengths: Any, padded: np.ndarray) -> np.ndarray:
    lengths = as_counts(lengths, "lengths")
    n_sequences, n_steps, _ = padded.shape
    if 0 in padded.shape:
        raise InvalidSequence(f"a padded array must have sequences, steps and channels, got shape {padded.shape}")
    if lengths.shape != (n_sequences,):
        raise InvalidSequence(f"lengths must have shape ({n_sequences},), one per sequence, got {lengths.shape}")
    is_outside = (lengths < 1) | (lengths > n_steps)
    if is_outside.any():
        i = int(np.argmax(is_outside))
        raise InvalidSequence(f"sequence {i} has length {lengths[i]}; it must lie in 1..{n_steps}, the padded length")
    return lengths


def _unpadded_lengths(padded: np.ndarray, padding_value: Any, side: str) -> np.ndarray:
    is_padding = np.isnan(padded) if padding_value != padding_value else padded == padding_value
    is_data = ~np.all(is_padding, axis=2)  # (n_sequences, n_steps)
    if not is_data.any(axis=-1).all():
        raise InvalidSequence(
            f"sequence {int(np.argmin(is_data.any(axis=-1)))} holds only the padding value {padding_value}; "
            "leave it out, or pass lengths="
        )
    seen_from_padding = is_data if side == "pre" else is_data[:, ::-1]
    return padded.shape[1] - np.argmax(seen_from_padding, axis=1)


def to_tensors(sequences: Ragged) -> Ragged:
    """The same sequences with values as CPU tensors that share their memory."""
    observed = None if sequences.observed is None else as_tensor(sequences.observed)
    return Ragged.view(as_tensor(sequences.values), sequences.starts, sequences.lengths, observed)


def as_tensor(array: np.ndarray | torch.Tensor) -> torch.Tensor:
    """A CPU tensor that shares the array's memory if possible; it must not be written to."""
    import torch

    if isinstance(array, torch.Tensor):
        return array.detach().cpu()
    contiguous = np.ascontiguousarray(array)
    if contiguous.flags.writeable:
        return torch.from_numpy(contiguous)
    with warnings.catch_warnings():  # torch warns of read-only memory, which is never written to
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(contiguous)


def as_ragged(X: object) -> Ragged | None:
    """X if it is a Ragged, else None: the one place where data of any kind are told from sequences."""
    return X if isinstance(X, Ragged) else None  # users hand over anything


def starts_of(lengths: np.ndarray) -> np.ndarray:
    """Where each sequence starts. lengths, result: (n_sequences,) int64."""
    ends = np.cumsum(lengths)
    return ends - lengths


def owners_of(lengths: np.ndarray) -> np.ndarray:
    """The sequence that each step belongs to. lengths: (n_sequences,). Returns (n_steps,) int64."""
    return np.repeat(np.arange(len(lengths)), lengths)


def step_numbers_of(lengths: np.ndarray) -> np.ndarray:
    """The number of each step within its sequence, from 0. lengths: (n_sequences,). Returns (n_steps,) int64."""
    return np.arange(int(lengths.sum())) - np.repeat(starts_of(lengths), lengths)


def owner_of(row: int, lengths: np.ndarray) -> tuple[int, int]:
    """The sequence of a row, and the number of its step. lengths: (n_sequences,), all at least 1."""
    ends = np.cumsum(lengths)
    i = int(np.searchsorted(ends, row, side="right"))
    return i, int(row - (ends[i] - lengths[i]))


def evenly_chosen(n: int, most: int) -> np.ndarray:
    """At most so many of the indices 0..n-1, evenly spaced from first to last. Returns (min(n, most),) int64."""
    return np.unique(np.linspace(0, n - 1, most).astype(np.int64)) if n else np.zeros(0, np.int64)


FEWEST_STRETCHES = 5
"""From so many stretches of overlapping sequences, whole ones are held out."""


def hold_out_apart(sequences: Ragged, fraction: float, key: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """As hold_out(), but no training sequence shares a step with a held-out one, as windows of a series may.

    Of at least 5 stretches of overlapping sequences, some are held out whole; of fewer, the last sequences of each, and
    those that share a step with these are in neither part.
    """
    order = np.argsort(sequences.starts, kind="stable")
    starts, ends = sequences.starts[order], (sequences.starts + sequences.lengths)[order]
    reach = np.maximum.accumulate(ends)
    stretch = np.cumsum(np.append(0, starts[1:] >= reach[:-1]))  # of each sequence in order
    n_stretches = int(stretch[-1]) + 1
    if n_stretches == len(sequences):
        return hold_out(len(sequences), fraction, key)
    if n_stretches >= FEWEST_STRETCHES:
        chosen = hold_out(n_stretches, fraction, key)
        first, late = (np.flatnonzero(np.isin(stretch, part)) for part in chosen)
    else:
        sizes = np.bincount(stretch)
        cuts = np.cumsum(sizes) - np.ceil(fraction * sizes).astype(np.int64)  # in order, where each late part begins
        is_late = np.arange(len(order)) >= cuts[stretch]
        is_first = ~is_late & (ends <= starts[cuts][stretch])
        has_first = np.bincount(stretch, is_first) > 0
        first, late = np.flatnonzero(is_first | ~has_first[stretch]), np.flatnonzero(is_late & has_first[stretch])
    return np.sort(order[first]), np.sort(order[late])


def hold_out(
    n_sequences: int, fraction: float, key: tuple[int, int], *, fewest: int = 1, fewest_left: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the training sequences, and of the held-out ones: two increasing vectors.

    fraction: of the sequences to hold out, 0..1. key: a seed and the number of the draw; the same key and number of
    sequences always give the same split. fewest, fewest_left: least numbers of held-out and of training sequences;
    fewest_left has priority.
    """
    n_held_out = max(0, min(max(fewest, round(fraction * n_sequences)), n_sequences - fewest_left))
    shuffled = np.random.default_rng(key).permutation(n_sequences)
    return np.sort(shuffled[n_held_out:]), np.sort(shuffled[:n_held_out])
