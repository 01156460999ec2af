"""Gaps in the times of series, and the steps that are missing between regular times."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from ..errors import InvalidParameter, InvalidSequence
from ..parameters import check_positive
from ..sequences.ragged import Ragged, starts_of

MaxGap = float | str | None
"""See AnomalyDetector.max_gap."""

REGULAR_GAP, IRREGULAR_GAP = 5.0, 10.0
"""Usual differences of time, above which a difference is a gap, by default."""
REGULAR_STEP = 1.5
"""Usual differences, up to which no step is missing."""
LONGEST_REST, FEWEST_RESTS = 3.5, 3
"""A rest is at most so many usual differences, and comes back at equal distances at least so often, as weekends do."""
PAST_STEPS, FEWEST_REGULAR, CHUNK = 100, 3, 4096

UNITS = {"d": "D", "h": "h", "min": "m", "s": "s", "ms": "ms", "us": "us", "ns": "ns"}
DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(d|h|min|s|ms|us|ns)\s*")


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """Parts of series between gaps, in the order of series and of time.

    ragged: missing steps between regular times stand in it as not observed; rows: (n_steps,) where the given steps
    stand in its values, series after series.
    """

    ragged: Ragged
    rows: np.ndarray


def segments_of(series: Ragged, times: np.ndarray | None, max_gap: MaxGap = None) -> Segments:
    """The parts of each series between gaps in its times.

    times: (n_rows,) as in Source, or None for series without gaps. A difference of times is compared with the median
    of at most 100 before it, so that later data change nothing. Differences are regular if there are three at least,
    and three in four lie within 10 % of the median. A gap is more than 5 times the median where they are regular, else
    more than 10 times; or more than max_gap. What is above 1.5 times a regular median, and no gap, misses steps; they
    are filled in as not observed, but not those of symbols, nor those of rests: differences of up to 3.5 times the
    median that came at equal distances before, such as weekends.
    Raises InvalidSequence if times do not increase, InvalidParameter for a duration where times are numbers.
    """
    if times is None:
        return Segments(series, series.step_indices())
    longest = fitting(max_gap, times)
    n_missing = np.zeros(series.n_steps, np.int64)
    for i, first in enumerate(starts_of(series.lengths).tolist()):
        rows = slice(int(series.starts[i]), int(series.starts[i] + series.lengths[i]))
        n_missing[first + 1 : first + int(series.lengths[i])] = _missing(_differences(times[rows], i), longest)
    is_first = series.step_numbers() == 0
    cuts = np.flatnonzero(is_first | (n_missing < 0))
    lengths = np.diff(np.append(cuts, len(n_missing)))
    n_filled = np.zeros(len(n_missing), np.int64) if series.is_tokens else np.maximum(n_missing, 0)
    if not n_filled.any():
        rows = series.step_indices()
        return Segments(Ragged.view(series.values, rows[cuts], lengths, series.observed), rows)
    return _filled(series, n_filled, cuts, lengths)


def as_max_gap(max_gap: object) -> float | np.timedelta64 | None:
    """A number of usual differences, or a duration. Raises InvalidParameter for another value."""
    if max_gap is None:
        return None
    if not isinstance(max_gap, str):
        return check_positive("max_gap", max_gap)
    found = DURATION.fullmatch(max_gap)
    if not found or not float(found[1]):
        raise InvalidParameter(
            f"max_gap must be a number of usual steps, or a duration such as '30min' (units: {', '.join(UNITS)}), "
            f"got {max_gap!r}",
            parameter="max_gap",
        )
    return np.timedelta64(round(float(found[1]) * _nanoseconds(np.timedelta64(1, UNITS[found[2]]))), "ns")


def fitting(max_gap: MaxGap, times: np.ndarray) -> float | np.timedelta64 | None:
    """as_max_gap(), for these times. Raises InvalidParameter for a duration where they are numbers."""
    longest = as_max_gap(max_gap)
    if isinstance(longest, np.timedelta64) and times.dtype.kind not in "mM":
        raise InvalidParameter(
            f"max_gap={max_gap!r} is a duration, but the times are numbers: give a number of usual steps",
            parameter="max_gap",
        )
    return longest


def _filled(series: Ragged, n_filled: np.ndarray, cuts: np.ndarray, lengths: np.ndarray) -> Segments:
    """n_filled: (n_steps,) steps to fill in before each; cuts, lengths: of the segments, in given steps."""
    rows = np.cumsum(n_filled + 1) - 1
    given = series.step_indices()
    values = np.zeros((int(rows[-1]) + 1, *series.values.shape[1:]), series.values.dtype)
    observed = np.zeros(values.shape, bool)
    values[rows] = series.values[given]
    observed[rows] = True if series.observed is None else series.observed[given]
    filled_lengths = rows[cuts + lengths - 1] - rows[cuts] + 1
    return Segments(Ragged.view(values, rows[cuts], filled_lengths, observed), rows)


def _differences(times: np.ndarray, i: int) -> np.ndarray:
    """Differences of the times of series i: (n_steps - 1,), datetimes in nanoseconds. times: (n_steps,)."""
    found = np.diff(times)
    if not np.all(found > np.zeros(1, found.dtype)):
        k = int(np.argmin(found > np.zeros(1, found.dtype))) + 1
        raise InvalidSequence(
            f"series {i}, step {k}: time {times[k]} does not come after {times[k - 1]}; sort the series by time"
        )
    return found / np.timedelta64(1, "ns") if found.dtype.kind == "m" else found


def _missing(steps: np.ndarray, longest: float | np.timedelta64 | None) -> np.ndarray:
    """How many steps are missing within each difference, -1 for a gap. steps: (n,). Returns (n,)."""
    found = np.zeros(len(steps), np.int64)
    if not len(steps):
        return found
    found[:1] = missing_within(
        steps[:1], steps[None, :1], longest
    )  # nothing before it: only a duration can be exceeded
    long = np.flatnonzero(steps > _shortest_gap(steps, longest))
    for k in long[(long < PAST_STEPS) & (long > 0)]:
        found[k] = missing_within(steps[k : k + 1], steps[None, :k], longest)[0]
    for first in range(int(np.searchsorted(long, PAST_STEPS)), len(long), CHUNK):
        at = long[first : first + CHUNK]
        found[at] = missing_within(steps[at], steps[at[:, None] - np.arange(1, PAST_STEPS + 1)], longest)
    return found


def _shortest_gap(steps: np.ndarray, longest: float | np.timedelta64 | None) -> float:
    """A difference up to which nothing is missing, whatever is usual."""
    if isinstance(longest, np.timedelta64):
        return min(REGULAR_STEP * float(steps.min()), _nanoseconds(longest))
    return min(REGULAR_STEP, longest or REGULAR_STEP) * float(steps.min())


def _nanoseconds(duration: np.timedelta64) -> float:
    return float(duration / np.timedelta64(1, "ns"))


def missing_within(steps: np.ndarray, past: np.ndarray, longest: float | np.timedelta64 | None) -> np.ndarray:
    """How many steps are missing within differences of times, -1 for a gap; see segments_of().

    steps: (n,); past: (n, n_past), those before each. Returns (n,).
    """
    median = np.median(past, axis=1)
    usual = median[:, None]
    is_regular = (np.mean(np.abs(past - usual) <= 0.1 * usual, axis=1) >= 0.75) & (past.shape[1] >= FEWEST_REGULAR)
    n_usual = np.where(is_regular, np.rint(steps / median), steps / median)
    if isinstance(longest, np.timedelta64):
        is_gap = steps > _nanoseconds(longest)
    elif longest is None:
        is_gap = n_usual > np.where(is_regular, REGULAR_GAP, IRREGULAR_GAP)
    else:
        is_gap = n_usual > longest
    is_filled = is_regular & ~is_gap & (steps > REGULAR_STEP * median)
    for k in np.flatnonzero(is_filled & (steps <= LONGEST_REST * median)):
        is_filled[k] = not _are_rests(np.flatnonzero(past[k] >= 0.9 * steps[k]))
    return np.where(is_gap, -1, np.where(is_filled, np.maximum(n_usual - 1, 1), 0)).astype(np.int64)


def _are_rests(places: np.ndarray) -> bool:
    """Whether three in four of these places are at equal distances. places: (n,), ascending."""
    apart = np.diff(places)
    return len(places) >= FEWEST_RESTS and bool(np.mean(apart == np.median(apart)) >= 0.75)
