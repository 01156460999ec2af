"""What a detector found, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..parameters import check_choice
from ..sequences.ragged import Ragged, starts_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Interval:
    """Steps start..end-1 of one sequence, all marked as anomalous.

    peak: the step with the highest score, which is score. times: None where the data had none.
    shares: what part each scored channel has in the interval's error, in units of its usual error; they add up to 1.
    """

    id: Any
    start: int
    end: int
    peak: int
    score: float
    shares: tuple[float, ...]
    start_time: Any = None
    end_time: Any = None  # of the last step
    peak_time: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """Scores of every step, and the intervals that the threshold marks.

    ids: (n_sequences,); scores: a Ragged with one channel, float64, NaN where nothing was observed.
    thresholds, is_anomaly: (n_sequences,) where whole sequences were judged, else (n_steps,) as the scores stand;
    times: (n_steps,) alike, or None. sequence_scores: (n_sequences,), where whole sequences were judged; else None.
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

    def to_columns(self, rows: Literal["step", "sequence", "interval"] = "interval") -> dict[str, Any]:
        """Columns by name, (n_rows,) each, for writing.write_table."""
        check_choice("rows", rows, ("step", "sequence", "interval"))
        if rows == "step":
            return self._of_steps()
        return self._of_sequences() if rows == "sequence" else self._of_intervals()

    def to_frame(self, rows: Literal["step", "sequence", "interval"] = "interval") -> pa.Table:
        """One row per interval, step or sequence, as a pyarrow Table: `.to_pandas()` or polars.from_arrow() go on."""
        import pyarrow as pa

        return pa.table({name: pa.array(column) for name, column in self.to_columns(rows).items()})

    def _of_steps(self) -> dict[str, Any]:
        lengths = self.scores.lengths
        steps = np.arange(self.scores.n_steps) - np.repeat(starts_of(lengths), lengths)
        when = {} if self.times is None else {self.time_name or "time": self.times}
        limits, is_anomaly = self.thresholds, self.is_anomaly
        if self.sequence_scores is not None:
            limits, is_anomaly = np.repeat(limits, lengths), np.repeat(is_anomaly, lengths)
        judged = {"score": self.scores.values[:, 0], "threshold": limits, "is_anomaly": is_anomaly}
        columns = {"step": steps} | when | judged
        return {self.id_name: np.repeat(self.ids, lengths)} | columns

    def _of_sequences(self) -> dict[str, Any]:
        """Where sequences were judged, their own scores; else those of the highest step, NaN where none is known, and
        whether any is marked.
        """
        scores, limits, is_anomaly = self.sequence_scores, self.thresholds, self.is_anomaly
        if scores is None:
            steps, starts = self.scores.values[:, 0], self.scores.starts
            known = np.where(np.isnan(steps), -np.inf, steps)
            peaks = starts + np.array([np.argmax(part) for part in np.split(known, starts[1:])])
            scores, limits, is_anomaly = steps[peaks], limits[peaks], np.logical_or.reduceat(is_anomaly, starts)
        return {self.id_name: self.ids, "score": scores, "threshold": limits, "is_anomaly": is_anomaly}

    def _of_intervals(self) -> dict[str, Any]:
        found = self.intervals
        columns: dict[str, Any] = {self.id_name: _like(self.ids, [interval.id for interval in found])}
        for name in ("start", "end", "peak"):
            columns[name] = np.array([getattr(interval, name) for interval in found], np.int64)
        if self.times is not None:
            for name in ("start_time", "end_time", "peak_time"):
                columns[name] = _like(self.times, [getattr(interval, name) for interval in found])
        columns["score"] = np.array([interval.score for interval in found], np.float64)
        for k, channel in enumerate(self.channel_names):
            columns[f"share_{channel}"] = np.array([interval.shares[k] for interval in found], np.float64)
        return columns


def _like(array: np.ndarray, values: list[Any]) -> np.ndarray:
    result = np.empty(len(values), array.dtype)
    for k, value in enumerate(values):
        result[k] = value
    return result
