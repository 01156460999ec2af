"""A threshold together with what it learnt: what scores are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InvalidParameter, InvalidSequence, NotFitted
from .dynamic import Dynamic
from .fingerprints import Fingerprints
from .marks import Marker, above
from .thresholds import Conformal, FBeta, FromScoredData, Threshold, as_threshold


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """limit: what was learnt, None where nothing could be; held_out: (n,) normal scores.

    learnt_from: tells the data that the limit comes from; None where it comes from no data.
    """

    threshold: Threshold | float | None
    limit: float | None
    held_out: np.ndarray
    learnt_from: Fingerprints | None = None

    @property
    def is_joint(self) -> bool:
        """Whether the limit depends on the scores that are judged together."""
        return isinstance(self.threshold, Conformal | FromScoredData)

    @property
    def single_limit(self) -> float:
        """The limit for a score that is judged alone. Raises NotFitted where none was learnt."""
        if self.limit is not None:
            return self.limit
        if isinstance(self.threshold, FBeta):
            raise NotFitted("threshold 'fbeta' has no limit yet: call fit_threshold(X, y) with labelled data")
        raise NotFitted(f"threshold={self.threshold!r} gives no limit here; choose another, or use score_samples()")

    def marker(self, scores: np.ndarray) -> Marker:
        """What marks the scores of a series, or of whole sequences. scores: (n,), all that are judged together."""
        return self.threshold.marks if isinstance(self.threshold, Dynamic) else above(self.limit_for(scores))

    def limit_for(self, scores: np.ndarray) -> float:
        """The limit for scores, (n,), that are judged together."""
        if isinstance(self.threshold, FromScoredData):
            known = scores[np.isfinite(scores)]
            return self.threshold.limit(known) if len(known) else float("inf")
        if isinstance(self.threshold, Conformal):
            return self.threshold.joint_limit(self.held_out, scores)
        return self.single_limit


def suited_threshold(threshold: Any, window: Any) -> Threshold | float | None:
    """The threshold that was given as a name or a value. window: None judges whole sequences.

    Raises InvalidParameter for what is none, or does not suit the window.
    """
    wanted = as_threshold(threshold)
    if isinstance(wanted, Dynamic) and window is None:
        raise InvalidParameter("threshold='dynamic' marks steps of long series, not whole sequences; it needs window=")
    return wanted


def learn_judge(
    threshold: Threshold | float | None,
    normal: np.ndarray,
    anomalous: np.ndarray,
    source: Fingerprints,
    *,
    is_labelled: bool,
) -> Judge:
    """normal, anomalous: finite scores. Only FBeta looks at the anomalous ones; without labels it learns nothing.

    source: of the data that the scores are of.
    """
    if threshold is None or isinstance(threshold, FromScoredData | Dynamic):
        return Judge(threshold, None, normal)
    if isinstance(threshold, int | float):
        return Judge(threshold, float(threshold), normal)
    if isinstance(threshold, FBeta) and not is_labelled:
        return Judge(threshold, None, normal)
    if isinstance(threshold, FBeta) and len(normal) + len(anomalous):
        labels = np.concatenate([np.zeros(len(normal), bool), np.ones(len(anomalous), bool)])
        return Judge(threshold, threshold.limit(np.concatenate([normal, anomalous]), labels), normal, source)
    if not len(normal):
        raise InvalidSequence("there are no normal scores to learn the threshold from; label some data as normal")
    return Judge(threshold, threshold.limit(normal), normal, source)
