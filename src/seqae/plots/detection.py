"""Scores along a series, with what was marked, the limit, and which channels were to blame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..detection.result import Detection, Interval
from .style import BLUE, COLOURS, GREY, ORANGE, RED, figure, grid, legend, plain, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_ROWS = 4
MOST_BARS = 12
MOST_POINTS = 4000


def timeline(detection: Detection) -> Figure:
    """The scores of the series with most to tell, intervals shaded, limit dashed; beside them the channels' shares.

    Where whole sequences were judged: the score of each.
    """
    if detection.sequence_scores is not None:
        return _wholes(detection)
    order = _worst_series(detection)[:MOST_ROWS]
    drawn = figure(11.0, 1.0 + 1.9 * max(len(order), 1 + bool(detection.intervals)))
    left, right = drawn.subfigures(1, 2, width_ratios=(3, 1.25)) if detection.intervals else (drawn, drawn)  # pyright: ignore[reportGeneralTypeIssues]
    column = [row[0] for row in grid(left, len(order))]
    for axes, i in zip(column, order, strict=True):
        _draw_series(axes, detection, int(i))
    legend(column[0], "upper left")
    if detection.intervals:
        _draw_shares(grid(right)[0][0], _highest(detection.intervals), detection.channel_names, detection.id_name)
    return drawn


def _worst_series(detection: Detection) -> np.ndarray:
    """Indices of the series by their falling highest score."""
    scores, starts = detection.scores.values[:, 0], detection.scores.starts
    return np.argsort(-np.maximum.reduceat(np.nan_to_num(scores, nan=-np.inf), starts), kind="stable")


def _draw_series(axes: Axes, detection: Detection, i: int) -> None:
    rows = slice(int(detection.scores.starts[i]), int(detection.scores.starts[i] + detection.scores.lengths[i]))
    scores, limits = detection.scores.values[rows, 0], detection.thresholds[rows]
    times = np.arange(len(scores)) if detection.times is None else detection.times[rows]
    plain(axes, title=f"{short(detection.id_name)} {short(detection.ids[i])}", y="score")
    places = thinned(scores, MOST_POINTS)
    axes.plot(times[places], scores[places], color=BLUE, linewidth=0.9, label="score")
    if np.isfinite(limits).any():
        axes.plot(times, limits, color=GREY, linestyle="--", linewidth=1, label="limit")
    own = [interval for interval in detection.intervals if interval.id == detection.ids[i]]
    for k, interval in enumerate(own):
        ends = times[interval.start], times[min(interval.end, len(times) - 1)]
        axes.axvspan(*ends, color=ORANGE, alpha=0.35, lw=0, label="marked" if k == 0 else None)
        axes.plot(times[interval.peak], interval.score, ".", color=RED)
    axes.set_xlabel("step" if detection.times is None else short(detection.time_name or "time"))


def thinned(values: np.ndarray, most: int) -> np.ndarray:
    """Places of at most about `most` values of a long curve: the least and the greatest of each stretch stay.

    values: (n,), which may hold NaN. Returns rising indices, with the first and the last.
    """
    n = len(values)
    if n <= most:
        return np.arange(n)
    starts = np.unique(np.linspace(0, n, most // 2 + 1).astype(int)[:-1])
    owner = np.searchsorted(starts, np.arange(n), side="right") - 1
    by_value = np.lexsort((np.nan_to_num(values, nan=np.inf), owner))
    by_fall = np.lexsort((-np.nan_to_num(values, nan=-np.inf), owner))
    return np.unique(np.concatenate([[0, n - 1], by_value[starts], by_fall[starts]]))


def _highest(intervals: tuple[Interval, ...]) -> list[Interval]:
    return sorted(intervals, key=lambda interval: -interval.score)[:MOST_BARS]


def _draw_shares(axes: Axes, found: list[Interval], names: tuple[str, ...], id_name: str) -> None:
    """A bar for each interval, of the shares of the channels that have most; the others together in grey."""
    shares = np.array([interval.shares for interval in found])
    order = np.argsort(-shares.max(axis=0), kind="stable")
    shown, others = order[: len(COLOURS) - 1], order[len(COLOURS) - 1 :]
    places, left = np.arange(len(found))[::-1], np.zeros(len(found))
    for colour, k in zip(COLOURS, shown, strict=False):
        axes.barh(places, 100 * shares[:, k], left=left, color=colour, label=short(names[k], 18))
        left = left + 100 * shares[:, k]
    if len(others):
        axes.barh(places, 100 - left, left=left, color=GREY, label=f"{len(others)} others")
    axes.set_yticks(places, [f"{short(interval.id, 12)}: {interval.start:,}" for interval in found], fontsize=8)
    plain(axes, title="Who is to blame", x="part of the error, %", y=f"{short(id_name, 12)}: first step")
    axes.grid(visible=False)
    legend(axes, "below")


def _wholes(detection: Detection) -> Figure:
    scores, limits = np.asarray(detection.sequence_scores), detection.thresholds
    drawn = figure(9.0, 4.5)
    axes = drawn.subplots()
    places, is_marked = np.arange(len(scores)), detection.is_anomaly
    axes.plot(places[~is_marked], scores[~is_marked], ".", color=BLUE, label="not marked")
    axes.plot(places[is_marked], scores[is_marked], "D", color=RED, markersize=5, label="marked")
    if np.isfinite(limits).any():
        axes.plot(places, limits, color=GREY, linestyle="--", linewidth=1, label="limit")
    for i in np.argsort(-np.nan_to_num(scores), kind="stable")[:5]:
        if is_marked[i]:
            name = short(detection.ids[i], 16)
            axes.annotate(name, (i, scores[i]), textcoords="offset points", xytext=(5, 3), fontsize=8)
    title = f"{int(is_marked.sum()):,} of {len(scores):,} sequences are above the limit"
    plain(axes, title=title, x=f"place of the {short(detection.id_name)} in the data", y="score")
    legend(axes)
    return drawn
