"""Compute anomaly scores of steps and sequences from evidence, with scales from held-out normal data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from ..recurrence import kernel_first
from ..sequences.ragged import Ragged, back_to_back
from ..sequences.scaling import divided, known_mean
from ..storage.vetting import Arrays
from ..training.batching import INFERENCE_SEQUENCES, ordered_batches
from .covariance import Mahalanobis, fit_mahalanobis
from .evidence.interface import RECONSTRUCTION, Evidence, Measure, Score, Setting
from .series import Series, StepMeans, windows_of

LEAST_ERROR = 0.1
"""Least error scale, in scaled units: errors far below a tenth of a standard deviation are not anomalies."""
LEAST_DISTANCE = 1e-6
LEAST_SURPRISE = 1e-3
"""Least scale of a cross-entropy, in nats."""
LEAST_RATIO = 1e-2
"""Share of the held-out median below which parts of a joint score count alike."""

Track = Callable[[int], None]
"""Called with the number of sequences or windows just done."""


# -- what is usual -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class MeanError(Measure):
    """Mean over columns of |e| / usual, where usual is the column's held-out root mean square.

    For a sequence, the root mean square over its steps, so that a short burst counts.
    usual: (n_columns,), in scaled units.
    """

    name: ClassVar[str] = "mean error"

    usual: np.ndarray

    def score(self, columns: np.ndarray) -> np.ndarray:
        """See Measure.score."""
        is_known = ~np.isnan(columns)
        # cumsum adds in order, so that a step's bits do not depend on the number of steps
        total = np.cumsum(np.where(is_known, columns, 0.0) / self.usual, axis=1)[:, -1]
        return divided(total, is_known.sum(axis=1))

    def of_sequences(self, scores: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """See Measure.of_sequences."""
        return np.sqrt(known_mean(scores * scores, lengths))

    def size(self) -> float:
        """The mean square."""
        return float(np.mean(self.usual**2))

    def to_arrays(self) -> Mapping[str, np.ndarray]:
        """See Measure.to_arrays."""
        return {"usual": self.usual}

    @classmethod
    def from_arrays(cls, arrays: Arrays, n_columns: int) -> Self:
        """See Measure.from_arrays."""
        return cls(arrays.take("usual", (n_columns,), np.float64, above=0.0))


@dataclass(frozen=True, slots=True, eq=False)
class MeanSurprise(Measure):
    """Cross-entropy / usual, where usual is its held-out mean, at least 0.001. usual: (1,), in nats.

    For a sequence, the mean over its steps, whose cross-entropies add up to its own.
    """

    name: ClassVar[str] = "mean surprise"

    usual: np.ndarray

    def score(self, columns: np.ndarray) -> np.ndarray:
        """See Measure.score. columns: (n_steps, 1)."""
        return columns[:, 0] / self.usual[0]

    def of_sequences(self, scores: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """See Measure.of_sequences."""
        return known_mean(scores, lengths)

    def size(self) -> float:
        """The perplexity, at most e^50."""
        return float(np.exp(np.minimum(self.usual[0], 50.0)))

    def to_arrays(self) -> Mapping[str, np.ndarray]:
        """See Measure.to_arrays."""
        return {"usual": self.usual}

    @classmethod
    def from_arrays(cls, arrays: Arrays, n_columns: int) -> Self:
        """See Measure.from_arrays."""
        return cls(arrays.take("usual", (1,), np.float64, above=0.0))


MEASURES: dict[str, type[Measure]] = {kind.name: kind for kind in (MeanError, MeanSurprise, Mahalanobis)}
"""By their names in files."""


def fit_mean_error(errors: np.ndarray, least: float = LEAST_ERROR) -> MeanError:
    """errors: (n, n_columns) of held-out data. A column without known errors gets the scale `least`."""
    is_known = ~np.isnan(errors)
    squares = np.where(is_known, errors, 0.0) ** 2
    mean_square = squares.sum(axis=0) / np.maximum(is_known.sum(axis=0), 1)
    return MeanError(np.maximum(np.sqrt(mean_square), least))


def fit_mean_surprise(losses: np.ndarray) -> MeanSurprise:
    """losses: (n, 1) of held-out data, in nats."""
    return MeanSurprise(np.maximum(losses.mean(axis=0), LEAST_SURPRISE))


# -- the score ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A part of a score. median: of its held-out scores; weight: in a joint score."""

    score: Score
    measure: Measure
    median: float = 1.0
    weight: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """Computes scores of sequences. window: None scores whole sequences; else the length of windows, `stride` apart.

    error: scale of the reconstruction error of each scored channel, for the shares of an interval.
    """

    evidence: tuple[Evidence, ...]
    parts: tuple[Part, ...]
    window: int | None
    stride: int
    error: MeanError

    def n_units(self, series: Series) -> int:
        """The number of sequences or windows to read."""
        if self.window is None:
            return len(series.ragged)
        return len(windows_of(series.segments().ragged, self.window, self.stride))

    def read(self, series: Series, track: Track = lambda n: None) -> Iterator[tuple[np.ndarray, Ragged]]:
        """For groups of sequences: their indices, and the columns of their steps; see read()."""
        return read(self.evidence, series, self.window, self.stride, track)

    def step_scores(self, columns: np.ndarray) -> np.ndarray:
        """Scores (n_steps,), higher is more anomalous; NaN for a step without observed values."""
        return joint(self.parts, [part.measure.score(self._columns_of(part.score, columns)) for part in self.parts])

    def sequence_scores(self, columns: Ragged) -> np.ndarray:
        """Scores (n_sequences,): each part over the steps of a sequence, then joined."""
        return joint(
            self.parts, [_of_sequences(part.score, part.measure, columns, self.evidence) for part in self.parts]
        )

    def last_scores(self, windows: Ragged) -> np.ndarray:
        """The score of each window's last step, from that window only. Returns (n_windows,)."""
        if len(windows) == 1:
            return self.step_scores(read_windows(self.evidence, windows)[-1:])
        scores = np.empty(len(windows))
        for batch in ordered_batches(windows.lengths):
            chosen = windows[batch]
            ends = np.cumsum(chosen.lengths) - 1
            scores[batch] = self.step_scores(read_windows(self.evidence, chosen)[ends])
        return scores

    def stream_scores(self, series: Series) -> np.ndarray:
        """What a stream gives for these series, at the ends of windows `stride` apart; a stream averages nothing.

        Returns (n,), finite; none for whole sequences.
        """
        if self.window is None:
            return np.zeros(0)
        windows = windows_of(series.segments().ragged, self.window, self.stride)
        found = self.last_scores(windows[np.flatnonzero(windows.lengths == self.window)])
        return found[np.isfinite(found)]

    def channel_errors(self, columns: np.ndarray) -> np.ndarray:
        """The scaled reconstruction error of each channel. Returns (n_steps, n_channels)."""
        return columns[:, places(self.evidence)[RECONSTRUCTION]] / self.error.usual

    def _columns_of(self, score: Score, columns: np.ndarray) -> np.ndarray:
        return columns_of(score, columns, self.evidence)


# -- reading -----------------------------------------------------------------------------------------------------------


def read(
    evidence: tuple[Evidence, ...], series: Series, window: int | None, stride: int, track: Track = lambda n: None
) -> Iterator[tuple[np.ndarray, Ragged]]:
    """For groups of sequences: their indices, and the columns of their steps back to back, float64.

    With windows, a step's columns are means over the windows that contain it.
    """
    if window is None:
        for indices in ordered_batches(series.ragged.lengths):
            batch = series.ragged[indices]
            yield indices, back_to_back(read_windows(evidence, batch), batch.lengths)
            track(len(indices))
        return
    for indices in _groups(series.ragged.lengths):
        yield indices, _read_group(evidence, series, indices, (window, stride), track)


def _read_group(
    evidence: tuple[Evidence, ...], series: Series, indices: np.ndarray, window: tuple[int, int], track: Track
) -> Ragged:
    """The columns of some series. window: its length and stride."""
    chosen = series.ragged[indices]
    times = None if series.times is None else series.times[chosen.step_indices()]
    group = chosen.compact()
    segments = replace(series, ragged=group, times=times).segments()
    windows = windows_of(segments.ragged, *window)
    means = StepMeans(len(windows.values), max(place.stop for place in places(evidence).values()))
    for batch in ordered_batches(windows.lengths):
        means.add(windows[batch], read_windows(evidence, windows[batch]))
        track(len(batch))
    return Ragged.view(means.means(segments.rows), group.starts, group.lengths)


@kernel_first()
def read_windows(evidence: tuple[Evidence, ...], windows: Ragged) -> np.ndarray:
    """The columns of all evidence, concatenated. Returns (n_steps, n_columns) float64, NaN where not observed, and in
    all columns at steps without observed channels.
    """
    parts = [part.astype(np.float64) for one in evidence for part in one.read(windows)]
    columns = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
    if windows.observed is None:
        return columns
    is_observed = windows.observed[windows.step_indices()].reshape(len(columns), -1).any(axis=1)
    return np.where(is_observed[:, None], columns, np.nan)


def places(evidence: tuple[Evidence, ...]) -> dict[str, slice]:
    """The position of each kind in the concatenated columns."""
    found, first = {}, 0
    for one in evidence:
        for kind in one.kinds:
            found[kind] = slice(first, first + one.width(kind))
            first = found[kind].stop
    return found


def columns_of(score: Score, columns: np.ndarray, evidence: tuple[Evidence, ...]) -> np.ndarray:
    """The columns that a score uses. columns: (n_steps, n_columns) of all evidence."""
    where = places(evidence)
    parts = [columns[:, where[kind]] for kind in score.kinds]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _groups(lengths: np.ndarray) -> list[np.ndarray]:
    """Consecutive series with the steps of a batch together: memory is bounded by the longest series."""
    group = np.cumsum(lengths) // max(INFERENCE_SEQUENCES, int(lengths.max(initial=1)))
    cuts = np.flatnonzero(np.diff(group)) + 1
    return np.split(np.arange(len(lengths)), cuts)


def _of_sequences(score: Score, measure: Measure, columns: Ragged, evidence: tuple[Evidence, ...]) -> np.ndarray:
    """(n_sequences,)."""
    return measure.of_sequences(measure.score(columns_of(score, columns.values, evidence)), columns.lengths)


# -- learning ----------------------------------------------------------------------------------------------------------


def columns_read(evidence: tuple[Evidence, ...], held_out: Series, setting: Setting) -> Ragged:
    """The columns of held-out sequences or series, back to back, in the order of the data."""
    parts = list(read(evidence, held_out, setting.window, setting.stride))
    columns = joined([columns for _, columns in parts])
    places = np.argsort(np.concatenate([indices for indices, _ in parts]), kind="stable")
    return columns[places].compact()


def joined(parts: list[Ragged]) -> Ragged:
    """One after another. parts: back to back."""
    return back_to_back(
        np.concatenate([part.values for part in parts]), np.concatenate([part.lengths for part in parts])
    )


def fit_scorer(
    scores: tuple[Score, ...], evidence: tuple[Evidence, ...], columns: Ragged, setting: Setting
) -> tuple[Scorer, np.ndarray]:
    """Fit the scales on held-out normal data; returns the scorer and the scores of these data.

    columns: of sequences or series, back to back, read by evidence that did not see them. The scores are finite, (n,),
    of sequences or, with windows, of steps.
    """
    window, stride, values = setting.window, setting.stride, columns.values
    parts = []
    for score in scores:
        own = columns_of(score, values, evidence)
        measure = fit_measure(score, own, are_tokens=setting.are_tokens)
        told = _of_sequences(score, measure, columns, evidence) if window is None else measure.score(own)
        parts.append(Part(score, measure, _median(told)))
    error = fit_mean_error(values[:, places(evidence)[RECONSTRUCTION]])
    scorer = Scorer(evidence, weighted(tuple(parts)), window, stride, error)
    found = scorer.sequence_scores(columns) if window is None else scorer.step_scores(values)
    return scorer, found[np.isfinite(found)]


def lowest(scores: np.ndarray, share: float) -> np.ndarray:
    """The lowest of the scores, a share of them, in their order. scores: (n,)."""
    return scores[scores <= np.quantile(scores, share)] if len(scores) else scores


def fit_measure(score: Score, columns: np.ndarray, *, are_tokens: bool) -> Measure:
    """columns: (n_steps, n_columns) of held-out data, those that the score uses."""
    if score.measure == "covariance":
        return fit_mahalanobis(columns)
    if score.measure == "error" and are_tokens:
        return fit_mean_surprise(columns)
    return fit_mean_error(columns, least=LEAST_ERROR if score.measure == "error" else LEAST_DISTANCE)


def weighted(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """The parts with their weights in a joint score.

    The weight of an error is the inverse of its held-out size (mean square; for tokens, perplexity), scaled to 1 for
    the best, so that a model that explains normal data poorly has little weight. A yardstick (counted n-grams) has
    weight 1 and others at most 1: an autoencoder encodes the very tokens that it decodes, so its low perplexity proves
    little.
    """
    sizes = [part.measure.size() for part in parts]
    errors = [(part.score, size) for part, size in zip(parts, sizes, strict=True) if part.score.measure == "error"]
    yardsticks = [size for score, size in errors if score.is_yardstick] or [size for _, size in errors]
    least = min(yardsticks, default=1.0)
    return tuple(
        replace(part, weight=min(least / size, 1.0) if part.score.measure == "error" else part.score.weight)
        for part, size in zip(parts, sizes, strict=True)
    )


def joint(parts: tuple[Part, ...], scores: list[np.ndarray]) -> np.ndarray:
    """The joint score: of a single part, its own score; of several, the weighted geometric mean of score / median, so
    that 1 is typical.

    So units do not matter, and a step that is moderately high in two parts ranks above one that is very high in one.
    scores: per part (n,), NaN where unknown; such a part is left out. Returns (n,), NaN where all are.
    """
    if len(parts) == 1:
        return scores[0]
    total, weights = np.zeros(len(scores[0])), np.zeros(len(scores[0]))
    for part, score in zip(parts, scores, strict=True):
        weight = part.weight * ~np.isnan(score)
        ratio = np.where(np.isnan(score), 0.0, score) / part.median
        total += weight * np.log(np.maximum(ratio, 0.0) + LEAST_RATIO)
        weights += weight
    return np.exp(np.divide(total, weights, out=np.full(len(total), np.nan), where=weights > 0))


def _median(scores: np.ndarray) -> float:
    """Median of finite scores; 1 if there are none or it is 0. scores: (n,)."""
    known = scores[np.isfinite(scores)]
    median = float(np.median(known)) if len(known) else 1.0
    return median if median > 0 else 1.0
