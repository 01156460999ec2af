"""The limit that fits labels best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import NotFitted
from ..parameters import check_positive
from ..sequences.checks import check_scores
from .limits import Limit, Threshold


@dataclass(frozen=True, slots=True)
class FBeta(Threshold):
    """The limit with the highest F_beta on labelled scores: tau of Malhotra et al. 2016 (1607.00148, section 2).

        F_beta = (1 + beta^2) P R / (beta^2 P + R);  the paper uses beta < 1, so that precision counts more.

    The limit lies half-way between two neighbouring scores. If all labels are normal it is the highest score; if all
    are anomalous it lies below the lowest.
    """

    learns_from_labels: ClassVar[bool] = True

    beta: float = 0.1

    def __post_init__(self) -> None:
        check_positive("FBeta.beta", self.beta)

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """See Threshold.fit; without labels nothing is learnt."""
        if anomalous is None:
            return Limit(None, normal)
        scores = np.concatenate([normal, anomalous])
        check_scores(scores)
        return Limit(self._best_cut(scores, np.repeat([False, True], [len(normal), len(anomalous)])), normal)

    def single(self, limit: Limit) -> float:
        """See Threshold.single."""
        if limit.value is None:
            raise NotFitted("threshold 'fbeta' has no limit yet: call fit_threshold(X, y) with labelled data")
        return limit.value

    def _best_cut(self, scores: np.ndarray, is_anomaly: np.ndarray) -> float:
        """Both: (n,). Returns the limit."""
        order = np.argsort(-scores, kind="stable")
        ranked, hits = scores[order], np.cumsum(is_anomaly[order])
        if hits[-1] == 0:
            return float(ranked[0])
        n_alarms = np.arange(1, len(ranked) + 1)
        weight = self.beta**2
        f_beta = (1 + weight) * hits / (weight * hits[-1] + n_alarms)
        is_cut = np.append(ranked[1:] < ranked[:-1], True)  # tied scores fall on one side
        best = int(np.argmax(np.where(is_cut, f_beta, -1.0)))
        below = ranked[best + 1] if best + 1 < len(ranked) else np.nextafter(ranked[best], -np.inf)
        return _between(float(below), float(ranked[best]))


def _between(low: float, high: float) -> float:
    """A number in [low, high): half-way if floats allow."""
    middle = low + (high - low) / 2
    return middle if middle < high else low
