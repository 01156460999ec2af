"""The result of a detector: the score of every step, and the marked intervals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from ..cards import Card
from ..parameters import check_choice
from ..reading.source import Source
from ..sequences.ragged import Ragged, back_to_back
from .limits import Marks, runs

if TYPE_CHECKING:
    import pyarrow as pa

Rows = Literal["step", "sequence", "interval"]
MOST_ON_CARD = 5
MOST_IN_WORDS, LEAST_SHARE = 3, 0.2
"""Channels of an interval that are told, and the share that the second and third of them must have."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Steps start..end-1 of one sequence, all marked as anomalous; end is exclusive, as in a slice.

    peak: the step with the highest score, which is score. end_time is the time of the last step, end - 1.
    Times are None if the data had none, and in UTC if they had a time zone.
    shares: of each scored channel in the interval's scaled error; they add up to 1.
    observed, expected: the values of the scored channels at the peak, and what the main model writes in their place, in
    the units of the data; empty for symbols, and for all but the 1000 intervals with the highest scores.
    """

    id: object
    start: int
    end: int
    peak: int
    score: float
    shares: tuple[float, ...]
    start_time: object = None
    end_time: object = None
    peak_time: object = None
    observed: tuple[float, ...] = ()
    expected: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Detection(Card):
    """Scores of every step, and the intervals that the threshold marks.

    ids: (n_sequences,); scores: a Ragged with one channel, float64, NaN where nothing was observed.
    thresholds, is_anomaly: (n_sequences,) where whole sequences were judged, else (n_steps,) as the scores;
    times: (n_steps,) alike, or None; time_zone: in which tables have them, None where they had none.
    sequence_scores: (n_sequences,), where whole sequences were judged; else None.
    channel_names: of the scored channels.
    """

    ids: np.ndarray
    scores: Ragged
    thresholds: np.ndarray
    is_anomaly: np.ndarray
    intervals: tuple[Interval, ...]
    channel_names: tuple[str, ...]
    times: np.ndarray | None = None
    sequence_scores: np.ndarray | None = None
    id_name: str = "sequence"
    time_name: str | None = None
    time_zone: str | None = None

    @property
    def judged_scores(self) -> np.ndarray:
        """The scores that the limit was for: (n_sequences,), or (n_steps,) of long series."""
        return self.scores.values[:, 0] if self.sequence_scores is None else self.sequence_scores

    def facts(self) -> dict[str, str]:
        """What was judged, and of the intervals with the highest scores their place, as text."""
        told = {"judged": f"{self.scores.n_steps:,} steps of {len(self.ids):,} sequences"}
        told["intervals"] = f"{len(self.intervals):,} above the limit"
        highest = sorted(self.intervals, key=lambda interval: -interval.score)[:MOST_ON_CARD]
        return told | {
            f"score {one.score:.4g}, place {k}": f"{self.id_name} {one.id}, steps {one.start}..{one.end - 1}"
            for k, one in enumerate(highest, 1)
        }

    def __repr__(self) -> str:
        steps = f"{self.scores.n_steps:,} steps of {len(self.ids):,} sequences"
        if not self.intervals:
            return f"Detection(no intervals in {steps})"
        top = max(self.intervals, key=lambda interval: interval.score)
        place = f"{self.id_name} {top.id}, steps {top.start}..{top.end - 1}"
        return f"Detection({len(self.intervals):,} intervals in {steps}; highest score {top.score:.4g}: {place})"

    def to_frame(self, rows: Rows = "interval") -> pa.Table:
        """One row per interval, step or sequence, as a pyarrow Table: `.to_pandas()` or polars.from_arrow() go on.

        Of an interval, `start` is its first step and `end` the one after its last, as in a slice; `start_time` and
        `end_time` are the times of its first and its last step. Times keep the time zone of the data.
        """
        import pyarrow as pa

        return pa.table({name: pa.array(column) for name, column in self.to_columns(rows).items()})

    def to_columns(self, rows: Rows = "interval") -> dict[str, np.ndarray | pa.Array]:
        """The columns of to_frame() by name, (n_rows,) each."""
        check_choice("rows", rows, ("step", "sequence", "interval"))
        if rows == "step":
            return self._of_steps()
        return self._of_sequences() if rows == "sequence" else self._of_intervals()

    def _of_steps(self) -> dict[str, np.ndarray | pa.Array]:
        lengths = self.scores.lengths
        when = {} if self.times is None else {self.time_name or "time": self._zoned(self.times)}
        limits, is_anomaly = self.thresholds, self.is_anomaly
        if self.sequence_scores is not None:
            limits, is_anomaly = np.repeat(limits, lengths), np.repeat(is_anomaly, lengths)
        judged = {"score": self.scores.values[:, 0], "threshold": limits, "is_anomaly": is_anomaly}
        columns = {"step": self.scores.step_numbers()} | when | judged
        return {self.id_name: np.repeat(self.ids, lengths)} | columns

    def _of_sequences(self) -> dict[str, np.ndarray | pa.Array]:
        """The scores of whole sequences, or else of their highest step (NaN if none is known), and whether any step is
        marked.
        """
        scores, limits, is_anomaly = self.sequence_scores, self.thresholds, self.is_anomaly
        if scores is None:
            steps, starts = self.scores.values[:, 0], self.scores.starts
            known = np.where(np.isnan(steps), -np.inf, steps)
            peaks = starts + np.array([np.argmax(part) for part in np.split(known, starts[1:])])
            scores, limits, is_anomaly = steps[peaks], limits[peaks], np.logical_or.reduceat(is_anomaly, starts)
        return {self.id_name: self.ids, "score": scores, "threshold": limits, "is_anomaly": is_anomaly}

    def _of_intervals(self) -> dict[str, np.ndarray | pa.Array]:
        found, unknown = self.intervals, (np.nan,) * len(self.channel_names)
        columns: dict[str, np.ndarray | pa.Array] = {self.id_name: _like(self.ids, [interval.id for interval in found])}
        for name in ("start", "end", "peak"):
            columns[name] = np.array([getattr(interval, name) for interval in found], np.int64)
        if self.times is not None:
            for name in ("start_time", "end_time", "peak_time"):
                columns[name] = self._zoned(_like(self.times, [getattr(interval, name) for interval in found]))
        columns["score"] = np.array([interval.score for interval in found], np.float64)
        for k, channel in enumerate(self.channel_names):
            columns[f"share_{channel}"] = np.array([interval.shares[k] for interval in found], np.float64)
        is_explained = any(interval.expected for interval in found)
        if is_explained:
            for name in ("observed", "expected"):
                for k, channel in enumerate(self.channel_names):
                    values = [(getattr(interval, name) or unknown)[k] for interval in found]
                    columns[f"{name}_{channel}"] = np.array(values, np.float64)
        if is_explained or len(self.channel_names) > 1:
            columns["words"] = np.array([self.in_words(interval) for interval in found], object)
        return columns

    def in_words(self, interval: Interval) -> str:
        """What is unlike normal data in an interval of this detection, by the channels with the largest shares."""
        ranked = sorted(range(len(interval.shares)), key=lambda k: -interval.shares[k])
        told = [k for k in ranked[:MOST_IN_WORDS] if k == ranked[0] or interval.shares[k] >= LEAST_SHARE]
        return ", ".join(self._of_channel(interval, k) for k in told)

    def _of_channel(self, interval: Interval, k: int) -> str:
        share = f"{self.channel_names[k]} has {interval.shares[k]:.0%} of the error"
        if not interval.expected or np.isnan(interval.observed[k]):
            return share
        return f"{share} ({interval.observed[k]:.4g} where {interval.expected[k]:.4g} was expected)"

    def _zoned(self, times: np.ndarray) -> np.ndarray | pa.Array:
        """times: (n,), in UTC if there is a time zone. Returns a column with that time zone."""
        if self.time_zone is None:
            return times
        import pyarrow as pa

        column = pa.array(times)
        return column.cast(pa.timestamp(column.type.unit, tz=self.time_zone))


class Judge(Protocol):
    """What makes scores of columns of evidence: see Scorer."""

    @property
    def window(self) -> int | None:
        """Steps of a window; None where whole sequences are judged."""
        ...

    def step_scores(self, columns: np.ndarray) -> np.ndarray:
        """(n_steps,) of (n_steps, n_columns)."""
        ...

    def sequence_scores(self, columns: Ragged) -> np.ndarray:
        """(n_sequences,)."""
        ...

    def channel_errors(self, columns: np.ndarray) -> np.ndarray:
        """(n_steps, n_channels), scaled, of (n_steps, n_columns)."""
        ...


def find_intervals(
    scorer: Judge,
    source: Source,
    batches: Iterable[tuple[np.ndarray, Ragged]],
    mark: Callable[[np.ndarray], Marks],
    channel_names: tuple[str, ...],
) -> Detection:
    """Runs of marked steps as intervals; a marked whole sequence is one interval.

    batches: scorer.read(source). mark: takes the scores of one series, or of whole sequences, (n,).
    channel_names: of the scored channels.
    """
    lengths = source.ragged.lengths
    scores = back_to_back(np.empty((int(lengths.sum()), 1)), lengths)
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
        time_zone=source.time_zone,
    )


def _interval(source: Source, i: int, ends: tuple[int, int], scores: np.ndarray, errors: np.ndarray) -> Interval:
    """Of sequence i. scores: (n_steps,); errors: (n_steps, n_channels), scaled."""
    start, end = ends
    inside = scores[start:end]
    peak = start + int(np.argmax(np.where(np.isnan(inside), -np.inf, inside)))
    when: tuple[object, object, object] = (None, None, None)
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


def _like(array: np.ndarray, values: list[object]) -> np.ndarray:
    result = np.empty(len(values), array.dtype)
    for k, value in enumerate(values):
        result[k] = value
    return result
