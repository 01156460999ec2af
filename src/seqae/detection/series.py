"""Long series: windows, gaps, held-out parts, labels, and means over windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from numbers import Integral

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..parameters import check_count
from ..sequences.checks import to_numpy
from ..sequences.ragged import Ragged, evenly_chosen, hold_out, starts_of
from ..sequences.scaling import divided
from .gaps import MaxGap, Segments, as_max_gap, segments_of
from .period import LONGEST_WINDOW, choose_window

TRAINING_WINDOWS = 4096
"""The approximate number of training windows, evenly spaced: at least `stride` apart, but without space between them,
so that every step is in one; very long series have more windows."""

WINDOWS_OF_A_STEP = 8
"""Windows that a step's score is the mean of, by default."""

FEWEST_SERIES = 5
"""With this many series or more, whole series are held out instead of the end of each."""

FINGERPRINT_STEPS = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Sequences or long series. ragged: in the units of the data; times: one per row of its values, or None; max_gap:
    see AnomalyDetector.
    """

    ragged: Ragged
    times: np.ndarray | None = None
    max_gap: MaxGap = None

    def __post_init__(self) -> None:
        if self.max_gap is not None:
            as_max_gap(self.max_gap)

    def segments(self) -> Segments:
        """Their parts between gaps, with missing steps filled in; see segments_of()."""
        if self.times is None:
            return Segments(self.ragged, self.ragged.step_indices())
        return segments_of(self.ragged, self.times, self.max_gap)


def of_channels(sequences: Ragged, channels: np.ndarray | None) -> Ragged:
    """The sequences with these channels only; None is all. Copies the range of rows that is used."""
    if channels is None or not len(sequences):
        return sequences
    rows = slice(int(sequences.starts.min()), int((sequences.starts + sequences.lengths).max()))
    values = np.take(sequences.values[rows], channels, axis=1)
    observed = None if sequences.observed is None else np.take(sequences.observed[rows], channels, axis=1)
    return Ragged.view(values, sequences.starts - rows.start, sequences.lengths, observed)


def scored_columns(columns: np.ndarray, channels: np.ndarray | None) -> np.ndarray:
    """The columns of these channels; None is all. columns: (n_steps, n_channels)."""
    return columns if channels is None else np.take(columns, channels, axis=1)


def as_channels(wanted: object, names: Sequence[str], *, are_tokens: bool) -> np.ndarray | None:
    """The numbers of channels from names or numbers, (n,) in the given order; None is all of them.

    names: (n_channels,). Raises InvalidParameter for unknown or repeated channels.
    """
    if wanted is None:
        return None
    if are_tokens:
        raise InvalidParameter(
            "scored_channels chooses among channels, but tokens are one; leave it out", parameter="scored_channels"
        )
    if isinstance(wanted, str) or not isinstance(wanted, Sequence | np.ndarray) or not len(wanted):
        raise InvalidParameter(
            f"scored_channels must be a list of channel names or numbers, got {wanted!r}", parameter="scored_channels"
        )
    numbers = [_number(channel, names) for channel in wanted]
    if len(set(numbers)) < len(numbers):
        raise InvalidParameter(
            f"scored_channels must name each channel once, got {wanted!r}", parameter="scored_channels"
        )
    return np.array(numbers, np.int64)


def _number(channel: object, names: Sequence[str]) -> int:
    if isinstance(channel, str) and channel in names:
        return names.index(channel)
    if isinstance(channel, Integral) and not isinstance(channel, bool) and 0 <= int(channel) < len(names):
        return int(channel)
    shown = ", ".join(map(repr, names[:10])) + (", ..." if len(names) > 10 else "")
    raise InvalidParameter(
        f"scored_channels names {channel!r}, but the channels are {shown}, or 0 to {len(names) - 1} by number",
        parameter="scored_channels",
    )


def fingerprint_of(sequences: Ragged) -> bytes:
    """A hash of 16 bytes that identifies data: of the lengths, and of at most 1024 steps, evenly chosen. Data that
    agree at these steps have the same fingerprint.
    """
    rows = sequences.step_indices()[evenly_chosen(sequences.n_steps, FINGERPRINT_STEPS)]
    lengths = sequences.lengths[evenly_chosen(len(sequences), FINGERPRINT_STEPS)]
    digest = blake2b(np.array([len(sequences), sequences.n_steps]).tobytes(), digest_size=16)
    for part in (lengths, np.ascontiguousarray(to_numpy(sequences.values)[rows])):
        digest.update(part.tobytes())
    return digest.digest()


def steps_per_day(series: Series) -> float | None:
    """By the median difference of times; None without dates."""
    if series.times is None or series.times.dtype.kind != "M":
        return None
    apart = np.diff(series.times[series.ragged.step_indices()])
    within = apart[np.diff(series.ragged.owners()) == 0]
    usual = np.median(within) if len(within) else np.timedelta64(0, "ns")
    return float(np.timedelta64(1, "D") / usual) if usual > np.timedelta64(0, "ns") else None


# -- windows -----------------------------------------------------------------------------------------------------------


def windows_of(segments: Ragged, length: int, stride: int) -> Ragged:
    """Every window of `length` steps, `stride` apart; a shorter segment is one window. No copies.

    Windows are in the order of the segments and of time.
    """
    full = segments.windows(length, stride)
    short = np.flatnonzero(segments.lengths < length)
    if not len(short):
        return full
    starts = np.concatenate([full.starts, segments.starts[short]])
    lengths = np.concatenate([full.lengths, segments.lengths[short]])
    order = np.argsort(starts, kind="stable")
    return Ragged.view(segments.values, starts[order], lengths[order], segments.observed)


def covered(sequences: Ragged) -> Ragged:
    """The union of overlapping sequences, each step once."""
    order = np.argsort(sequences.starts, kind="stable")
    starts, ends = sequences.starts[order], (sequences.starts + sequences.lengths)[order]
    reached = np.maximum.accumulate(ends)
    firsts = np.flatnonzero(np.concatenate([[True], starts[1:] >= reached[:-1]]))
    last_ends = np.concatenate([reached[firsts[1:] - 1], reached[-1:]])
    return Ragged.view(sequences.values, starts[firsts], last_ends - starts[firsts], sequences.observed)


def training_windows(training: Series, window: int, stride: int) -> Ragged:
    """The training windows, from segments between gaps that are long enough."""
    segments = training.segments().ragged
    longest = int(segments.lengths.max())
    segments = segments[np.flatnonzero(segments.lengths >= window)]
    if not len(segments):
        raise InvalidSequence(
            f"window={window} is too long: between gaps in the times there are at most {longest} steps to train on; "
            "choose a shorter one, or leave the times out"
        )
    n_windows = int(np.sum(segments.lengths - window + 1))
    return segments.windows(window, min(window, max(stride, n_windows // TRAINING_WINDOWS)))


def as_window(window: object, normal: Series, channels: np.ndarray | None = None) -> int | None:
    """The length of windows, with "auto" resolved; None for whole sequences.

    "auto" judges several sequences whole, if they are of tokens or none is longer than 1000 steps; else it is the
    period of these channels in the segments between gaps; channels: None for all. Raises InvalidParameter for another
    value.
    """
    ragged = normal.ragged
    is_short = ragged.is_tokens or int(ragged.lengths.max()) <= LONGEST_WINDOW
    if window is None or (window == "auto" and len(ragged) > 1 and is_short):
        return None
    if window != "auto":
        return check_count("window", window, least=2)
    return choose_window(of_channels(normal.segments().ragged, channels))


def as_stride(stride: object, window: int | None, *, is_sparse: bool) -> int:
    """The steps from one window to the next, with "auto" resolved to an eighth of a window.

    is_sparse: whether a window gives a score to a few of its steps alone; then "auto" is 1. Raises InvalidParameter for
    another value, or one above the window.
    """
    n_steps = 1 if stride == "auto" else check_count("stride", stride)
    if window is None:
        return 1
    if n_steps > window:
        raise InvalidParameter(
            f"stride={n_steps} skips steps: it must not exceed the window of {window}", parameter="stride"
        )
    return max(1, window // WINDOWS_OF_A_STEP) if stride == "auto" and not is_sparse else n_steps


class StepMeans:
    """Means per step over windows; the windows of a step are added in the order of time.

    So the bits of a mean do not depend on batches or on other series.
    """

    def __init__(self, n_rows: int, n_columns: int) -> None:
        self._sums = np.zeros((n_rows, n_columns))
        self._counts = np.zeros((n_rows, n_columns), np.int32)

    def add(self, windows: Ragged, columns: np.ndarray) -> None:
        """windows: a batch, in the order of time; columns: (n_steps, n_columns) back to back, NaN where unknown."""
        is_known = ~np.isnan(columns)
        values = columns if is_known.all() else np.where(is_known, columns, 0.0)
        firsts = starts_of(windows.lengths)
        for k in range(int(windows.lengths.max(initial=0)) - 1, -1, -1):  # backwards: earlier windows are added first
            which = windows.lengths > k
            rows, from_rows = windows.starts[which] + k, firsts[which] + k
            self._sums[rows] += values[from_rows]
            self._counts[rows] += is_known[from_rows]

    def means(self, rows: slice | np.ndarray) -> np.ndarray:
        """The means, (n, n_columns) float64; NaN without a known value."""
        return divided(self._sums[rows], self._counts[rows])


# -- what is held out --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Normal data in two parts, views of the same values. windows: for training, whole sequences or windows of series;
    held_out: the rest.
    """

    windows: Ragged
    held_out: Series


def split_normal(series: Series, fraction: float, seed: int, window: int | None, stride: int) -> Split:
    """Split whole sequences or, with a window, series. Raises InvalidSequence for too few or too short ones."""
    if window is None:
        training, held_out = split_sequences(series, fraction, seed)
        return Split(training.ragged, held_out)
    training, held_out = split_series(series, fraction, seed, window)
    return Split(training_windows(training, window, stride), held_out)


def check_several(n: int) -> None:
    """Raises InvalidSequence unless there are several normal sequences."""
    if n < 2:
        raise InvalidSequence(
            f"fit() holds out whole sequences for the threshold, so it needs at least 2 normal ones, got {n}; "
            "pass more, or window= for one long series"
        )


def split_sequences(series: Series, fraction: float, seed: int) -> tuple[Series, Series]:
    """Split whole sequences at random, at least one each.

    Raises InvalidSequence for fewer than two.
    """
    n = len(series.ragged)
    check_several(n)
    training, held_out = hold_out(n, fraction, (seed, 1))
    return replace(series, ragged=series.ragged[training]), replace(series, ragged=series.ragged[held_out])


def split_series(series: Series, fraction: float, seed: int, window: int) -> tuple[Series, Series]:
    """Hold out whole series if there are at least 5 that are long enough for a window; else the end of each, after a
    gap of one window, so that no step of a held-out window was trained on.

    Raises InvalidSequence if nothing is left for training.
    """
    ragged = series.ragged
    longest = int(ragged.lengths.max())
    size = min(window, longest + 1)  # a longer one has no window either, and may exceed int64
    if np.sum(ragged.lengths >= size) >= FEWEST_SERIES:
        long_enough = np.flatnonzero(ragged.lengths >= size)
        return split_sequences(replace(series, ragged=ragged[long_enough]), fraction, seed)[:2]
    n_held_out = np.maximum(size, np.round(fraction * ragged.lengths).astype(np.int64))
    n_training = ragged.lengths - n_held_out - size
    usable = np.flatnonzero(n_training >= size)
    if not len(usable) and longest >= 3 * window:
        raise InvalidSequence(
            f"held_out_fraction={fraction} of series of at most {longest} steps leaves no window of {window} to "
            "train on, after a gap of one; hold out less"
        )
    if not len(usable):
        raise InvalidSequence(
            f"window={window} is too long for series of at most {longest} steps: a window to train on, a gap and a "
            f"held-out one need {3 * window}; choose a shorter one, or window=None for whole sequences"
        )
    starts, lengths = ragged.starts[usable], n_training[usable]
    ends = starts + ragged.lengths[usable]
    training = Ragged.view(ragged.values, starts, lengths, ragged.observed)
    held_out = Ragged.view(ragged.values, ends - n_held_out[usable], n_held_out[usable], ragged.observed)
    return replace(series, ragged=training), replace(series, ragged=held_out)


# -- labels ------------------------------------------------------------------------------------------------------------


def anomalous_sequences(y: object, n_sequences: int) -> np.ndarray:
    """(n_sequences,) bool. y: None for all normal, or (n_sequences,) of 0 and 1.

    Raises InvalidParameter for another size or other labels.
    """
    if y is None:
        return np.zeros(n_sequences, bool)
    labels = to_numpy(y)
    if labels.shape != (n_sequences,):
        raise InvalidParameter(
            f"y must have one label for each of the {n_sequences} sequences, got shape {labels.shape}"
        )
    return _as_bool(labels)


def anomalous_steps(y: Iterable[object] | None, lengths: np.ndarray) -> np.ndarray:
    """(n_steps,) bool, series after series. y: None for all normal, or one vector of 0 and 1 per series, as a list or
    a Ragged; for a single series, the vector itself.

    Raises InvalidParameter for other sizes or labels.
    """
    if y is None:
        return np.zeros(int(lengths.sum()), bool)
    parts = [to_numpy(part) for part in y]
    is_one_vector = all(part.ndim == 0 for part in parts)
    vectors = [np.array(parts)] if is_one_vector else [part.reshape(-1) for part in parts]
    shapes = [vector.shape for vector in vectors]
    if shapes != [(int(n),) for n in lengths]:
        raise InvalidParameter(
            f"y must be one vector of labels per series, of lengths {[int(n) for n in lengths]}, got shapes {shapes}"
        )
    return _as_bool(np.concatenate(vectors))


def _as_bool(labels: np.ndarray) -> np.ndarray:
    if labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        raise InvalidParameter("y must hold 1 for anomalous and 0 for normal, nothing else")
    return labels.astype(bool)
