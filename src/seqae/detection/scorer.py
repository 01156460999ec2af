"""Models, parts and windows together: from series to anomaly scores per step and per sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..sequences.ragged import Ragged, back_to_back, starts_of
from ..training.batching import INFERENCE_SEQUENCES, ordered_batches
from .scores import KINDS, MeanError, Part, joint
from .sensors import RECONSTRUCTION, Sensor, columns_of, read_all
from .windowing import StepMeans, split_at_gaps, windows_of

Track = Callable[[int], None]
"""Called with the number of sequences or windows just done."""


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """What is scored. ragged: in the units of the data; times: one per row of its values, or None."""

    ragged: Ragged
    times: np.ndarray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """How sequences become scores. window: None scores whole sequences; else steps of a window, `stride` apart."""

    sensors: tuple[Sensor, ...]
    parts: tuple[Part, ...]
    window: int | None
    stride: int
    channels: MeanError | None = None  # what error is usual for each channel, for the shares of an interval

    @property
    def reads_tokens(self) -> bool:
        """Whether series are of tokens, any numbers, rather than of vectors."""
        return self.sensors[0].reads_tokens

    def n_units(self, series: Series) -> int:
        """How many sequences or windows there are to read."""
        return len(series.ragged) if self.window is None else len(self._windows(series))

    def read(self, series: Series, track: Track = lambda n: None) -> Iterator[tuple[np.ndarray, Ragged]]:
        """Some sequences at a time: their indices, and the columns of each of their steps back to back, float64.

        With windows, each step's columns are the means over the windows that hold it.
        """
        if self.window is None:
            yield from self._read_sequences(series.ragged, track)
            return
        for indices in _groups(series.ragged.lengths):
            yield indices, self._read_group(series, indices, track)

    def _read_sequences(self, sequences: Ragged, track: Track) -> Iterator[tuple[np.ndarray, Ragged]]:
        for indices in ordered_batches(sequences.lengths):
            batch = sequences[indices]
            yield indices, back_to_back(read_all(self.sensors, batch), batch.lengths)
            track(len(indices))

    def _read_group(self, series: Series, indices: np.ndarray, track: Track) -> Ragged:
        chosen = series.ragged[indices]
        rows = chosen.step_indices()
        times = None if series.times is None else series.times[rows]
        group = chosen.compact()
        windows = self._windows(Series(group, times))
        n_columns = max(place.stop for place in columns_of(self.sensors).values())
        means = StepMeans(len(group.values), n_columns)
        for batch in ordered_batches(windows.lengths):
            means.add(windows[batch], read_all(self.sensors, windows[batch]))
            track(len(batch))
        return Ragged.view(means.means(slice(None)), group.starts, group.lengths)

    def _windows(self, series: Series) -> Ragged:
        segments = split_at_gaps(series.ragged, series.times).ragged
        return windows_of(segments, self.window or 1, self.stride)

    def part_scores(self, columns: np.ndarray) -> list[np.ndarray]:
        """Each part's score of each step. columns: (n_steps, n_columns). Returns (n_steps,) for each part."""
        return [part.model.score(columns_for(part.name, columns, self.sensors)) for part in self.parts]

    def step_scores(self, columns: np.ndarray) -> np.ndarray:
        """(n_steps,), higher is more anomalous; NaN for a step of which nothing was observed."""
        return joint(self.parts, self.part_scores(columns))

    def sequence_scores(self, columns: Ragged) -> np.ndarray:
        """(n_sequences,): each part over the steps of a sequence, then joined."""
        return joint(self.parts, self.sequence_part_scores(columns))

    def sequence_part_scores(self, columns: Ragged) -> list[np.ndarray]:
        """Each part over the steps of each sequence: the root mean square of errors, so that a short burst counts; the
        mean of Mahalanobis distances, which are squares already, and of cross-entropies, which add up to the whole
        sequence's. Returns (n_sequences,) for each part.
        """
        scores = zip(self.parts, self.part_scores(columns.values), strict=True)
        return [
            np.sqrt(mean_by_sequence(score * score, columns.lengths))
            if isinstance(part.model, MeanError)
            else mean_by_sequence(score, columns.lengths)
            for part, score in scores
        ]

    def last_scores(self, windows: Ragged) -> np.ndarray:
        """The score of each window's last step, from that window alone. Returns (n_windows,)."""
        if len(windows) == 1:
            return self.step_scores(read_all(self.sensors, windows)[-1:])
        scores = np.empty(len(windows))
        for batch in ordered_batches(windows.lengths):
            chosen = windows[batch]
            ends = np.cumsum(chosen.lengths) - 1
            scores[batch] = self.step_scores(read_all(self.sensors, chosen)[ends])
        return scores

    def channel_errors(self, columns: np.ndarray) -> np.ndarray:
        """The reconstruction error of each channel, in units of what is usual for it. Returns (n_steps, n_channels)."""
        errors = columns[:, columns_of(self.sensors)[RECONSTRUCTION]]
        return errors if self.channels is None else errors / self.channels.typical


def columns_for(name: str, columns: np.ndarray, sensors: tuple[Sensor, ...]) -> np.ndarray:
    """The columns that a part of that name looks at. columns: (n_steps, n_columns) of all sensors."""
    places = columns_of(sensors)
    parts = [columns[:, places[kind]] for kind in KINDS[name]]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def mean_by_sequence(scores: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Mean of the known scores of each sequence. scores: (n_steps,) back to back. Returns (n_sequences,)."""
    is_known = ~np.isnan(scores)
    starts = starts_of(lengths)
    sums = np.add.reduceat(np.where(is_known, scores, 0.0), starts)
    counts = np.add.reduceat(is_known, starts, dtype=np.int64)
    return np.divide(sums, counts, out=np.full(len(lengths), np.nan), where=counts > 0)


def _groups(lengths: np.ndarray) -> list[np.ndarray]:
    """Neighbouring series together, until they have a batch's worth of steps: memory is that of the longest series."""
    group = np.cumsum(lengths) // max(INFERENCE_SEQUENCES, int(lengths.max(initial=1)))
    cuts = np.flatnonzero(np.diff(group)) + 1
    return np.split(np.arange(len(lengths)), cuts)
