"""Conformal p-values, and the limit that keeps the rate of false alarms among alarms."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..sequences.checks import check_scores
from .limits import Limit, Threshold, check_level


@dataclass(frozen=True, slots=True)
class Conformal(Threshold):
    """Keeps the expected share of false alarms among all alarms at false_discovery_rate, for any distribution.

    Conformal p-values p = (1 + held-out scores >= s) / (n + 1) (Bates et al. 2023, 2104.08279), then Benjamini &
    Hochberg (1995) over the scores that are judged together. So the limit depends on them. The limit for a single
    score is where p falls to false_discovery_rate. No p is below 1 / (n + 1): with fewer than
    1 / false_discovery_rate - 1 held-out scores the limit is infinite, and nothing is marked.
    """

    judges_together: ClassVar[bool] = True

    false_discovery_rate: float = 0.1

    def __post_init__(self) -> None:
        check_level("Conformal.false_discovery_rate", self.false_discovery_rate)

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """See Threshold.fit. The value is the limit for a single score."""
        check_scores(normal)
        return Limit(_conformal_limit(np.sort(normal), self.false_discovery_rate), normal)

    def for_scores(self, limit: Limit, scores: np.ndarray) -> Limit:
        """See Threshold.for_scores."""
        normal, judged = limit.normal, scores[np.isfinite(scores)]
        if not len(judged):
            return Limit(float("inf"), normal)
        n_higher = np.sort(np.round(p_values(normal, judged) * (len(normal) + 1)))
        shares = self.false_discovery_rate * np.arange(1, len(judged) + 1) / len(judged)
        passing = np.flatnonzero(n_higher <= _n_higher_at(shares, len(normal)))
        last = passing[-1] if len(passing) else 0  # if none passes, the limit is that of a first one
        return Limit(_conformal_limit(np.sort(normal), float(shares[last])), normal)

    def why_nothing(self, limit: Limit, scores: np.ndarray) -> str:
        """See Threshold.why_nothing."""
        n, rate, judged = len(limit.normal), self.false_discovery_rate, scores[np.isfinite(scores)]
        least = f"{n:,} held-out scores give no p-value below {1 / (n + 1):.2g}"
        if (n + 1) * rate < 1:
            return f"{least}, which is above {rate:g}: hold out {math.ceil(1 / rate) - 1:,} or more"
        lowest = float(p_values(limit.normal, judged).min(initial=1.0))
        needed = f"alone it would have to be {rate / max(len(judged), 1):.2g}"
        return f"the lowest of {len(judged):,} p-values is {lowest:.2g}, and {needed}; {least}"


def p_values(held_out: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Conformal p-values (1 + number of held-out scores >= s) / (n + 1). held_out: (n,); scores: (m,). Returns (m,)."""
    ranked = np.sort(held_out)
    n_higher = len(ranked) - np.searchsorted(ranked, scores, side="left")
    return (1 + n_higher) / (len(ranked) + 1)


def _conformal_limit(ranked: np.ndarray, p: float) -> float:
    """The limit above which, and only above which, p-values are at most p; inf if none can be. ranked: ascending."""
    n_higher = int(_n_higher_at(p, len(ranked)))
    return float(ranked[-min(n_higher, len(ranked))]) if n_higher else float("inf")


def _n_higher_at(p: np.ndarray | float, n_held_out: int) -> np.ndarray:
    """The largest rank, 1 + held-out scores >= s, with a p-value of at most p."""
    return np.floor(p * (n_held_out + 1) + 1e-9)
