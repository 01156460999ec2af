"""How far scores have moved from those of held-out normal data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..sequences.checks import check_scores

N_BINS = 10
STABLE, SHIFTED = 0.1, 0.25
"""Population stability: below the first scores have not moved, above the second they have (Siddiqi 2006, "Credit Risk
Scorecards", chapter 8)."""


@dataclass(frozen=True, slots=True)
class Drift:
    """What drift() tells.

    n_scores: of the new data, of sequences or steps. distance: the Kolmogorov-Smirnov distance, the largest difference
    of the two distribution functions, from 0 to 1. stability: the population stability index, the sum of
    (p - q) log(p / q) over the tenths of the held-out scores. ratio: of the medians, new to held-out.
    share_above, usual_share: of the new scores, and of the held-out ones, above the limit for a single score; None
    without one.
    """

    n_scores: int
    distance: float
    stability: float
    ratio: float
    share_above: float | None
    usual_share: float | None

    @property
    def has_moved(self) -> bool:
        """Whether the population stability index is above 0.25."""
        return self.stability > SHIFTED

    def __str__(self) -> str:
        little = "have moved a little" if self.stability > STABLE else "have not moved"
        told = f"scores {'have moved' if self.has_moved else little}: population stability {self.stability:.2g}, "
        told += f"Kolmogorov-Smirnov distance {self.distance:.2g}, median {self.ratio:.2g} times the usual one"
        if self.share_above is not None:
            told += f"; {self.share_above:.2%} above the limit, of the held-out ones {self.usual_share:.2%}"
        return told


def drift_between(held_out: np.ndarray, scores: np.ndarray, limit: float | None = None) -> Drift:
    """How far scores have moved. held_out, scores: (n,) and (m,), NaN where unknown. limit: for a single score."""
    before, after = held_out[np.isfinite(held_out)], scores[np.isfinite(scores)]
    check_scores(before)
    check_scores(after)
    middle = float(np.median(before))
    above = (None, None) if limit is None else (float(np.mean(after > limit)), float(np.mean(before > limit)))
    ratio = float(np.median(after)) / middle if middle > 0 else float("inf")
    return Drift(len(after), distance_between(before, after), stability_of(before, after), ratio, *above)


def distance_between(before: np.ndarray, after: np.ndarray) -> float:
    """The Kolmogorov-Smirnov distance of two samples, (n,) and (m,)."""
    places = np.concatenate([before, after])
    shares = (np.searchsorted(np.sort(part), places, side="right") / len(part) for part in (before, after))
    return float(np.max(np.abs(np.subtract(*shares))))


def stability_of(before: np.ndarray, after: np.ndarray) -> float:
    """The population stability index of two samples, (n,) and (m,), over the tenths of the first.

    An empty tenth counts as half a score.
    """
    edges = np.unique(np.quantile(before, np.arange(1, N_BINS) / N_BINS))
    counts = [np.bincount(np.searchsorted(edges, part), minlength=len(edges) + 1) for part in (before, after)]
    q, p = (np.maximum(count, 0.5) / count.sum() for count in counts)
    return float(np.sum((p - q) * np.log(p / q)))
