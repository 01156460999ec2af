"""A limit that moves along the judged series, with pruning of weak alarms (Hundman et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import InvalidParameter
from ..parameters import check_count, check_fraction, check_positive
from ..sequences.scaling import divided
from .limits import Limit, Marks, Threshold, runs, widened

SEARCHED_SIGMAS = np.arange(2.0, 10.5, 0.5)


@dataclass(frozen=True, slots=True)
class Dynamic(Threshold):
    """Limits from the judged scores, for long recordings, mostly normal, that drift from the normal data.

    Hundman et al. 2018, "Detecting Spacecraft Anomalies Using LSTMs and Nonparametric Dynamic Thresholding"
    (1802.04431, section 3.2), with the settings of Orion's pipelines (Geiger et al. 2020, 2009.07769).

    Scores are smoothed. In each of overlapping stretches of a series, scores above the mean plus n_sigmas standard
    deviations are marked, with `padding` steps around them; adjacent runs are merged. Runs are then ranked by their
    highest score, followed by the highest score outside them; runs after the last drop of at least `least_drop` of
    the score before are dropped.

    Of n scores, k high ones exceed the mean by at most sqrt((n - k) / k) deviations, so n_sigmas=4 marks nothing in a
    stretch of which more than 1 / 17 is high. Such a run is marked by a stretch that ends within it: a cut run is
    marked as far as it lies above that stretch's limit, unless it is as long as a stretch. Then it is a new level, of
    which only the beginning or the end is marked. With stretches at every tenth of their length, about one such run
    in four is not cut near its ends and is missed; stride=0.05 misses none.

    n_sigmas: None chooses it by equations 3 to 5: most reduction of mean and deviation for the fewest marks.
    stretch: share of the series; stride: share of the stretch. smoothing: steps of the running mean, as a share of the
    series. padding: steps. least_drop: 0 keeps all.
    """

    learns: ClassVar[bool] = False
    needs_windows: ClassVar[bool] = True

    n_sigmas: float | None = 4.0
    stretch: float = 0.33
    stride: float = 0.1
    smoothing: float = 0.01
    padding: int = 50
    least_drop: float = 0.1

    def __post_init__(self) -> None:
        if self.n_sigmas is not None:
            check_positive("Dynamic.n_sigmas", self.n_sigmas)
        for name in ("stretch", "stride"):
            if check_positive(f"Dynamic.{name}", getattr(self, name)) > 1:
                raise InvalidParameter(f"Dynamic.{name} must be at most 1, got {getattr(self, name)!r}")
        check_fraction("Dynamic.smoothing", self.smoothing)
        check_fraction("Dynamic.least_drop", self.least_drop)
        check_count("Dynamic.padding", self.padding, least=0)

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """Nothing to learn: the limits come from the judged scores."""
        return Limit(None, normal)

    def marks(self, scores: np.ndarray, limit: Limit) -> Marks:
        """scores: (n_steps,) of one series, not negative; an unknown score, NaN, starts no alarm.

        The limit of a step is the lowest of the stretches that mark or contain it, for the smoothed scores.
        """
        is_known = ~np.isnan(scores)
        marked, limits = np.zeros(len(scores), bool), np.full(len(scores), np.inf)
        if not is_known.any():
            return Marks(marked, limits)
        smooth = running_mean(scores, int(len(scores) * self.smoothing))
        smooth = np.where(is_known, smooth, np.min(smooth[is_known]))
        size = int(np.ceil(len(scores) * self.stretch))
        for first in _firsts(len(scores), size, int(np.ceil(size * self.stride))):
            part = slice(first, first + size)
            height = self._height(smooth[part][is_known[part]])
            limits[part] = np.minimum(limits[part], height)
            kept = self._kept(smooth[part], smooth[part] > height)
            marked[part] |= kept
            for start, end in _cut_runs(smooth > height, first, kept):
                marked[max(0, start - self.padding) : end + self.padding] = True
                limits[start:end] = np.minimum(limits[start:end], height)
        return Marks(marked, limits)

    def why_nothing(self, limit: Limit, scores: np.ndarray) -> str:
        """See Threshold.why_nothing."""
        far = "as many" if self.n_sigmas is None else f"{self.n_sigmas:g}"
        return (
            f"no smoothed score is {far} standard deviations above the mean of its stretch, and {self.least_drop:g} of "
            "itself above the next"
        )

    def _height(self, scores: np.ndarray) -> float:
        """The limit of one stretch. scores: (n,) known."""
        if not len(scores):
            return np.inf
        sigmas = _best_sigmas(scores) if self.n_sigmas is None else self.n_sigmas
        return float(scores.mean() + sigmas * scores.std())

    def _kept(self, scores: np.ndarray, is_above: np.ndarray) -> np.ndarray:
        """The marks of one stretch after pruning. Both: (n,). Returns (n,) bool."""
        wide = widened(is_above, self.padding)
        found = sorted(runs(wide), key=lambda ends: -scores[slice(*ends)].max())
        heights = [float(scores[slice(*ends)].max()) for ends in found] + [float(np.max(scores[~wide], initial=0.0))]
        drops = -np.diff(heights) >= self.least_drop * np.array(heights[:-1])
        kept = np.zeros(len(scores), bool)
        for start, end in found[: int(np.flatnonzero(drops)[-1]) + 1 if drops.any() else 0]:
            kept[start:end] = True
        return kept


def running_mean(values: np.ndarray, n_steps: int) -> np.ndarray:
    """Mean of the known values among the n_steps around each, fewer at the ends. values: (n,). Returns (n,)."""
    if n_steps < 2:
        return values
    is_known = ~np.isnan(values)
    sums = np.concatenate([[0.0], np.cumsum(np.where(is_known, values, 0.0))])
    counts = np.concatenate([[0], np.cumsum(is_known)])
    at = np.arange(len(values))
    first, last = np.maximum(at - n_steps // 2, 0), np.minimum(at + (n_steps + 1) // 2, len(values))
    n_known = counts[last] - counts[first]
    return divided(sums[last] - sums[first], n_known)


def _cut_runs(is_above: np.ndarray, first: int, kept: np.ndarray) -> list[tuple[int, int]]:
    """Runs, as [start, end), that an end of the stretch cuts and whose mark was kept, unless as long as the stretch.

    is_above: (n_steps,) bool of the series; kept: (size,) bool of the stretch that starts at first.
    """
    edges = [edge for edge, is_kept in ((first, kept[0]), (first + len(kept), kept[-1])) if is_kept]
    found = runs(is_above) if edges else []
    return [
        (start, end) for start, end in found if end - start < len(kept) and any(start < edge < end for edge in edges)
    ]


def _firsts(n_steps: int, size: int, stride: int) -> range:
    """Where stretches start: the last one reaches the end."""
    n_more = -(-max(n_steps - size, 0) // stride)
    return range(0, n_more * stride + 1, stride)


def _best_sigmas(scores: np.ndarray) -> float:
    """Equation 4 of Hundman et al.: the z with the largest relative drop of mean and deviation, per mark and run^2."""
    mean, deviation = scores.mean(), scores.std()
    best, best_gain = float(SEARCHED_SIGMAS[-1]), -np.inf
    for sigmas in SEARCHED_SIGMAS:
        is_above = scores > mean + sigmas * deviation
        if not is_above.any():
            break
        rest = scores[~is_above]
        removed = (mean - rest.mean()) / mean + (deviation - rest.std()) / deviation
        gain = removed / (is_above.sum() + len(runs(is_above)) ** 2)
        if gain >= best_gain:
            best, best_gain = float(sigmas), gain
    return best
