"""From scores to a Detection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..reading import Source
from ..sequences.ragged import Ragged, starts_of
from .marks import Marker, runs
from .result import Detection, Interval
from .scorer import Scorer


def find_intervals(
    scorer: Scorer,
    source: Source,
    batches: Iterable[tuple[np.ndarray, Ragged]],
    mark: Marker,
    channel_names: tuple[str, ...],
) -> Detection:
    """The steps that are marked, as intervals; where whole sequences are judged, each that is marked is one interval.

    batches: what scorer.read() gives for source. channel_names: of the scored channels.
    """
    lengths = source.ragged.lengths
    scores = Ragged.view(np.empty((int(lengths.sum()), 1)), starts_of(lengths), lengths)
    wholes = np.empty(len(lengths)) if scorer.window is None else None
    n_judged = scores.n_steps if wholes is None else len(wholes)
    is_anomaly, limits = np.empty(n_judged, bool), np.empty(n_judged)
    found: dict[int, list[Interval]] = {}
    for indices, columns in batches:
        steps = Ragged.view(scorer.step_scores(columns.values), columns.starts, columns.lengths)
        judged = rows = scores[indices].step_indices()
        scores.values[rows, 0] = steps.values
        if wholes is None:
            marks = [mark(part) for part in steps]
            found_runs = [runs(part.is_marked) for part in marks]
        else:
            judged, wholes[indices] = indices, scorer.sequence_scores(columns)
            marks = [mark(wholes[indices])]
            whole_steps = zip(steps, marks[0].is_marked, strict=True)
            found_runs = [[(0, len(part))] if is_marked else [] for part, is_marked in whole_steps]
        is_anomaly[judged] = np.concatenate([part.is_marked for part in marks])
        limits[judged] = np.concatenate([part.limits for part in marks])
        errors = Ragged.view(scorer.channel_errors(columns.values), columns.starts, columns.lengths)
        for k, i in enumerate(indices):
            found[int(i)] = [_interval(source, int(i), ends, steps[k], errors[k]) for ends in found_runs[k]]
    return Detection(
        ids=source.ids,
        scores=scores,
        thresholds=limits,
        is_anomaly=is_anomaly,
        intervals=tuple(interval for i in sorted(found) for interval in found[i]),
        channel_names=channel_names,
        times=None if source.times is None else source.times[source.ragged.step_indices()],
        sequence_scores=wholes,
        id_name=source.id_name,
        time_name=source.time_name,
    )


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
    if np.isinf(sums).any():
        sums = np.isinf(sums).astype(np.float64)
    total = sums.sum()
    return tuple(float(part) for part in (sums / total if total > 0 else np.full(len(sums), 1 / len(sums))))
