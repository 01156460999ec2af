"""Long series through overlapping windows: which windows, and from windows back to steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..parameters import check_count
from ..sequences.ragged import Ragged

DEFAULT_WINDOW = 100
SHORTEST_WINDOW = 16
LONGEST_WINDOW = 1000
LEAST_CORRELATION = 0.1
IRREGULAR_GAP, REGULAR_GAP = 10.0, 1.5
PAST_STEPS, FEWEST_REGULAR, CHUNK = 100, 3, 4096
EXAMINED_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Segments:
    """Series cut where their times have gaps. ragged: the segments; owner: (n_segments,) the series of each."""

    ragged: Ragged
    owner: np.ndarray


def split_at_gaps(series: Ragged, times: np.ndarray | None) -> Segments:
    """The parts of each series between gaps in its times.

    times: (n_rows,) as in Source, or None for series without gaps. A step in time is held against the median of those
    before it, at most 100, so that what comes later changes nothing. A gap is more than 1.5 times it where they are
    regular (at least three, three in four within 10 % of the median), and more than 10 times it where they are not.
    Raises InvalidSequence where times do not increase.
    """
    owner = np.arange(len(series))
    if times is None:
        return Segments(series, owner)
    starts, lengths, owners = [], [], []
    for i in owner:
        first, n_steps = int(series.starts[i]), int(series.lengths[i])
        cuts = _gaps(times[first : first + n_steps], int(i))
        edges = np.concatenate([[0], cuts, [n_steps]])
        starts.append(first + edges[:-1])
        lengths.append(np.diff(edges))
        owners.append(np.full(len(cuts) + 1, i))
    ragged = Ragged.view(series.values, np.concatenate(starts), np.concatenate(lengths), series.observed)
    return Segments(ragged, np.concatenate(owners))


def windows_of(segments: Ragged, length: int, stride: int) -> Ragged:
    """Every window of `length` steps, `stride` apart; a segment that is shorter is a window of its own. No copies.

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
    """The same steps, where sequences overlap each once: the unions of those that share steps."""
    order = np.argsort(sequences.starts, kind="stable")
    starts, ends = sequences.starts[order], (sequences.starts + sequences.lengths)[order]
    reached = np.maximum.accumulate(ends)
    firsts = np.flatnonzero(np.concatenate([[True], starts[1:] >= reached[:-1]]))
    last_ends = np.concatenate([reached[firsts[1:] - 1], reached[-1:]])
    return Ragged.view(sequences.values, starts[firsts], last_ends - starts[firsts], sequences.observed)


def as_window(window: Any, normal: Ragged, stride: int) -> int | None:
    """Steps of a window, where "auto" is what suits the data; None for whole sequences.

    Raises InvalidParameter for what is neither, or shorter than the stride.
    """
    if window is None:
        return None
    n_steps = choose_window(normal) if window == "auto" else check_count("window", window, least=2)
    if stride > n_steps:
        raise InvalidParameter(f"stride={stride} skips steps: it must not exceed the window of {n_steps}")
    return n_steps


def choose_window(series: Ragged) -> int:
    """The series' period, by autocorrelation: the first lag whose peak is nearly as high as the highest.

    The autocorrelation is the mean over series and channels that vary, of at most 20,000 steps each; its peaks are
    looked for after it first falls below zero. Between 16 and 1000 steps and at most a quarter of the longest series;
    100 (or that quarter) where no lag correlates by more than 0.1.
    """
    longest = int(min(series.lengths.max(), EXAMINED_STEPS))
    most = max(2, min(LONGEST_WINDOW, longest // 4))
    correlation = _autocorrelation(series, most + 2)
    lag = _first_peak(correlation)
    return int(np.clip(lag or DEFAULT_WINDOW, min(SHORTEST_WINDOW, most), most))


class StepMeans:
    """Per-step means of what windows say about their steps, each step's windows added in the order of time.

    So a step's mean has the same bits whichever batches its windows came in, and whatever else was scored.
    """

    def __init__(self, n_rows: int, n_columns: int) -> None:
        self._sums = np.zeros((n_rows, n_columns))
        self._counts = np.zeros((n_rows, n_columns), np.int32)

    def add(self, windows: Ragged, columns: np.ndarray) -> None:
        """windows: a batch, in the order of time; columns: (n_steps, n_columns) back to back, NaN where unknown."""
        is_known = ~np.isnan(columns)
        values = columns if is_known.all() else np.where(is_known, columns, 0.0)
        firsts = np.cumsum(windows.lengths) - windows.lengths
        for k in range(int(windows.lengths.max(initial=0)) - 1, -1, -1):  # backwards: earlier windows are added first
            which = windows.lengths > k
            rows, from_rows = windows.starts[which] + k, firsts[which] + k
            self._sums[rows] += values[from_rows]
            self._counts[rows] += is_known[from_rows]

    def means(self, rows: slice | np.ndarray) -> np.ndarray:
        """(n, n_columns) float64; NaN where no window knew anything."""
        sums, counts = self._sums[rows], self._counts[rows]
        return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def _gaps(times: np.ndarray, i: int) -> np.ndarray:
    """Where a new segment starts. times: (n_steps,) of series i."""
    steps = np.diff(times)
    if steps.dtype.kind == "m":
        steps = steps / np.timedelta64(1, "ns")
    if not np.all(steps > 0):
        k = int(np.argmin(steps > 0)) + 1
        raise InvalidSequence(
            f"series {i}, step {k}: time {times[k]} does not come after {times[k - 1]}; sort the series by time"
        )
    if not len(steps):
        return np.zeros(0, np.int64)
    long = np.flatnonzero(steps > REGULAR_GAP * steps.min())
    early = [k for k in long[long < PAST_STEPS] if k and _are_gaps(steps[k : k + 1], steps[None, :k])[0]]
    late = [np.zeros(0, np.int64)]
    for first in range(int(np.searchsorted(long, PAST_STEPS)), len(long), CHUNK):
        at = long[first : first + CHUNK]
        late.append(at[_are_gaps(steps[at], steps[at[:, None] - np.arange(1, PAST_STEPS + 1)])])
    return np.concatenate([np.array(early, np.int64), *late]) + 1


def _are_gaps(steps: np.ndarray, past: np.ndarray) -> np.ndarray:
    """steps: (n,) in time; past: (n, n_past), those before each. Returns (n,) bool."""
    median = np.median(past, axis=1, keepdims=True)
    is_regular = (np.mean(np.abs(past - median) <= 0.1 * median, axis=1) >= 0.75) & (past.shape[1] >= FEWEST_REGULAR)
    return steps > median[:, 0] * np.where(is_regular, REGULAR_GAP, IRREGULAR_GAP)


def _autocorrelation(series: Ragged, n_lags: int) -> np.ndarray:
    """Mean autocorrelation at lags 0..n_lags-1, each lag divided by its number of pairs. Returns (n_lags,)."""
    total, n_added = np.zeros(n_lags), 0
    for values in series:
        x = np.asarray(values[:EXAMINED_STEPS], np.float64).reshape(min(len(values), EXAMINED_STEPS), -1)
        if len(x) <= n_lags:
            continue
        x = x - x.mean(axis=0)
        x = x[:, x.std(axis=0) > 1e-6 * (1 + np.abs(x).max(axis=0))]
        spectrum = np.fft.rfft(x, 2 * len(x), axis=0)
        products = (
            np.fft.irfft(spectrum * spectrum.conj(), axis=0)[:n_lags] / np.arange(len(x), len(x) - n_lags, -1)[:, None]
        )
        total += (products / products[0]).sum(axis=1)
        n_added += x.shape[1]
    return total / max(n_added, 1)


def _first_peak(correlation: np.ndarray) -> int | None:
    """The first local maximum, after the first negative lag, that reaches 0.9 of the highest."""
    below = np.flatnonzero(correlation < 0)
    if not len(below):
        return None
    inner = np.arange(max(int(below[0]), 1), len(correlation) - 1)
    is_peak = (correlation[inner] >= correlation[inner - 1]) & (correlation[inner] >= correlation[inner + 1])
    peaks = inner[is_peak & (correlation[inner] > LEAST_CORRELATION)]
    if not len(peaks):
        return None
    return int(peaks[np.argmax(correlation[peaks] >= 0.9 * correlation[peaks].max())])
