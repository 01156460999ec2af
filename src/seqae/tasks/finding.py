"""From scores to a Detection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..ragged import Ragged, starts_of
from ..reading import Source
from .detection import Detection, Interval
from .scorer import Scorer


def find_intervals(
    scorer: Scorer, source: Source, batches: Iterable[tuple[np.ndarray, Ragged]], limit: float
) -> Detection:
    """The steps above limit, as intervals; where whole sequences are judged, each that is above it is one interval.

    batches: what scorer.read() gives for source.
    """
    lengths = source.ragged.lengths
    scores = Ragged.view(np.empty((int(lengths.sum()), 1)), starts_of(lengths), lengths)
    wholes = np.empty(len(lengths)) if scorer.window is None else None
    found: dict[int, list[Interval]] = {}
    for indices, columns in batches:
        steps = Ragged.view(scorer.step_scores(columns.values), columns.starts, columns.lengths)
        scores.values[scores[indices].step_indices(), 0] = steps.values
        if wholes is None:
            marked = [runs(part > limit) for part in steps]
        else:
            wholes[indices] = scorer.sequence_scores(columns)
            marked = [[(0, len(part))] if wholes[i] > limit else [] for i, part in zip(indices, steps, strict=True)]
        errors = Ragged.view(scorer.channel_errors(columns.values), columns.starts, columns.lengths)
        for k, i in enumerate(indices):
            found[int(i)] = [_interval(source, int(i), ends, steps[k], errors[k]) for ends in marked[k]]
    return Detection(
        ids=source.ids,
        scores=scores,
        thresholds=np.full(len(lengths), limit),
        intervals=tuple(interval for i in sorted(found) for interval in found[i]),
        channel_names=source.channel_names,
        times=None if source.times is None else source.times[source.ragged.step_indices()],
        sequence_scores=wholes,
        id_name=source.id_name,
        time_name=source.time_name,
    )


def runs(is_marked: np.ndarray) -> list[tuple[int, int]]:
    """Runs of True as [start, end). is_marked: (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], is_marked, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def _interval(source: Source, i: int, ends: tuple[int, int], scores: np.ndarray, errors: np.ndarray) -> Interval:
    """Of sequence i. scores: (n_steps,); errors: (n_steps, n_channels) in units of what is usual."""
    start, end = ends
    inside = scores[start:end]
    peak = start + int(np.argmax(np.where(np.isnan(inside), -np.inf, inside)))
    when: tuple[Any, Any, Any] = (None, None, None)
    if source.times is not None:
        row = int(source.ragged.starts[i])
        when = (source.times[row + start], source.times[row + end - 1], source.times[row + peak])
    return Interval(source.ids[i], start, end, peak, float(scores[peak]), _shares(errors[start:end]), *when)


def _shares(errors: np.ndarray) -> tuple[float, ...]:
    sums = np.nansum(errors, axis=0)
    total = sums.sum()
    return tuple(float(part) for part in (sums / total if total > 0 else np.full(len(sums), 1 / len(sums))))
