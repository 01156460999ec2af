"""What a fitted detector does while its data change: learn its limit anew, follow, and tell how scores moved."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from typing import Self

import numpy as np

from ..errors import InvalidParameter
from ..reading import Source
from ..sequences.checks import check_scores
from .drift import Drift, drift_between
from .limits import Threshold
from .series import Series, anomalous_sequences, anomalous_steps, fingerprint_of, steps_per_day
from .thresholds import HeldOut, learn_rule, suited


class Operated:
    """The part of AnomalyDetector that changes the limit alone; scores stay as they are."""

    threshold: str | float | Threshold | None
    window_: int | None

    def fit_threshold(self, X: object, y: Iterable[object] | None = None) -> Self:
        """Learn the threshold again, from data that the detector was not fitted on; scores do not change.

        y: None if all of X is normal; else labels, 1 for anomalous: (n_sequences,) for whole sequences, one vector per
        series for windows. Only an "fbeta" threshold uses anomalous data.
        """
        source = self._take(X)
        threshold, lengths = suited(self.threshold, self.window_), source.ragged.lengths
        is_anomaly = anomalous_sequences(y, len(lengths)) if self.window_ is None else anomalous_steps(y, lengths)
        found = self._scores(source)
        is_known = np.isfinite(found)
        normal, anomalous = found[is_known & ~is_anomaly], found[is_known & is_anomaly]
        is_mixed, series, labelled = bool(is_anomaly.any()), self._series(source), None if y is None else anomalous
        rule = learn_rule(threshold, normal, labelled, fingerprint_of(source.ragged), steps_per_day(series))
        streamed = self._fitted().stream_scores if is_mixed else self._stream_scores(series)
        return self._change(rule=rule, stream_scores=streamed)

    def update(self, X: object) -> Self:
        """Follow normal data that drift slowly: the limit keeps its rate of false alarms; scores do not change.

        X: normal data, newer than all before. Their scores take the place of the oldest held-out ones, and the limit is
        learnt from what is then held. Raises InvalidParameter for a threshold that learns from labels.
        """
        source, learnt = self._take(X), self._fitted()
        threshold, series = suited(self.threshold, self.window_), self._series(source)
        if threshold.learns_from_labels:
            raise InvalidParameter(
                f"update() has no labels, from which {threshold!r} learns; use fit_threshold(X, y)",
                parameter="threshold",
            )
        found = self._scores(source)
        found = found[np.isfinite(found)]
        check_scores(found)
        scores = followed(learnt.held_out_scores, found)
        streamed = followed(learnt.stream_scores, self._stream_scores(series))
        per_day = steps_per_day(series) or learnt.rule.steps_per_day
        rule = learn_rule(threshold, scores, None, fingerprint_of(source.ragged), per_day)
        return self._change(rule=rule, held_out_scores=scores, stream_scores=streamed)

    def drift(self, X: object) -> Drift:
        """How far the scores of X have moved from the held-out ones: `print(detector.drift(X))` tells it in words.

        X: data that are mostly normal. Raises InvalidSequence if nothing of them was observed.
        """
        source = self._take(X)
        return drift_between(self._fitted().held_out_scores, self._scores(source), self.threshold_)

    @property
    @abstractmethod
    def threshold_(self) -> float | None:
        """The limit on a single score."""

    @abstractmethod
    def _take(self, X: object) -> Source: ...

    @abstractmethod
    def _series(self, source: Source) -> Series: ...

    @abstractmethod
    def _fitted(self) -> HeldOut: ...

    @abstractmethod
    def _change(self, **parts: object) -> Self:
        """With other parts of what was learnt."""

    @abstractmethod
    def _stream_scores(self, series: Series) -> np.ndarray: ...

    @abstractmethod
    def _scores(self, source: Source) -> np.ndarray: ...


def followed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """As many of the newest scores as there were before, or all new ones if they are more. (n,) and (m,)."""
    return np.concatenate([before, after])[-max(len(before), len(after), 1) :]
