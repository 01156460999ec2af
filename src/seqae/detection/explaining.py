"""What a detector expected in place of what it marked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..sequences.ragged import Ragged, starts_of
from .evidence.interface import Evidence
from .result import Detection, Interval
from .series import Series, scored_columns

MOST_EXPLAINED = 1000
"""Intervals, those with the highest scores, for which expected values are computed."""


def explained(
    found: Detection, evidence: Evidence, series: Series, window: int | None, channels: np.ndarray | None
) -> Detection:
    """The detection, with observed and expected values at the peaks of its intervals.

    evidence: of the main model. series: what was judged. channels: the scored ones, None for all.
    """
    order = np.argsort([-interval.score for interval in found.intervals], kind="stable")[:MOST_EXPLAINED]
    chosen = np.sort(order)
    if not len(chosen):
        return found
    windows, at = _around([found.intervals[k] for k in chosen], found.ids, series, window)
    expected = evidence.expected(windows)
    if expected is None:
        return found
    observed = windows.values[windows.starts + at].astype(np.float64)
    if windows.observed is not None:
        observed = np.where(windows.observed[windows.starts + at], observed, np.nan)
    expected = scored_columns(expected[starts_of(windows.lengths) + at], channels)
    observed = scored_columns(observed, channels)
    intervals = list(found.intervals)
    for k, seen, usual in zip(chosen, observed.tolist(), expected.tolist(), strict=True):
        intervals[k] = replace(intervals[k], observed=tuple(seen), expected=tuple(usual))
    return replace(found, intervals=tuple(intervals))


def _around(
    intervals: list[Interval], ids: np.ndarray, series: Series, window: int | None
) -> tuple[Ragged, np.ndarray]:
    """A window around the peak of each interval, or its whole sequence; and the step of the peak in it, (n,)."""
    numbers = {one: k for k, one in enumerate(ids.tolist())}
    which = np.array([numbers[_plain(interval.id)] for interval in intervals])
    peaks = np.array([interval.peak for interval in intervals])
    if window is None:
        return series.ragged[which], peaks
    times = None if series.times is None else series.times[series.ragged.step_indices()]
    segments = replace(series, ragged=series.ragged.compact(), times=times).segments()
    rows = segments.rows[starts_of(series.ragged.lengths)[which] + peaks]
    own = np.searchsorted(segments.ragged.starts, rows, side="right") - 1
    starts, lengths = segments.ragged.starts[own], np.minimum(segments.ragged.lengths[own], window)
    firsts = np.clip(rows - window // 2, starts, starts + segments.ragged.lengths[own] - lengths)
    return Ragged.view(segments.ragged.values, firsts, lengths, segments.ragged.observed), rows - firsts


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value
