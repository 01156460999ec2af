"""Limits on anomaly scores, learnt from scores of held-out data.

Higher scores are more anomalous; a score above the limit is an anomaly.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from ..errors import InvalidParameter, InvalidSequence, NotFitted
from ..parameters import check_count, check_positive
from ..storage.vetting import as_mapping, checked, misfit, shown
from .dynamic import Dynamic
from .limits import Limit, Marks, Rule, Threshold, runs

LEAST_MEDIAN = 1e-2
"""Of the median of normal scores, relative to their 0.99 quantile: below it, scores are as good as 0."""


@dataclass(frozen=True, slots=True)
class Quantile(Threshold):
    """A quantile of the held-out normal scores."""

    level: float = 0.99

    def __post_init__(self) -> None:
        _check_share("Quantile.level", self.level)

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """See Threshold.fit."""
        _require_scores(normal)
        return Limit(float(np.quantile(normal, self.level)), normal)


@dataclass(frozen=True, slots=True)
class Events(Threshold):
    """Marks events of long series: runs of high scores, in which at least one step is far above normal ones.

    With m the median of the held-out normal scores and q their 0.99 quantile, an event has a score above q (q/m)^0.5
    and goes on, in both directions, while scores stay above m (q/m)^0.5; events at most `merge` steps apart are one.
    These limits lie 1.5 and 0.5 times as far above the median as the quantile does, on a logarithmic scale: of
    log-normal scores 1 step in 4,000 starts an event. Two limits are hysteresis (Canny 1986, section VIII).
    A single score, as of a stream, is judged by the first.

    merge: steps; "auto" stands for Events(merge=window).
    """

    needs_windows: ClassVar[bool] = True

    merge: int = 100

    def __post_init__(self) -> None:
        check_count("Events.merge", self.merge, least=0)

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """See Threshold.fit."""
        _require_scores(normal)
        return Limit(self._height(normal, 1.5), normal)

    def marks(self, scores: np.ndarray, limit: Limit) -> Marks:
        """See Threshold.marks; the limits are those that start an event."""
        high, is_marked = self.single(limit), np.zeros(len(scores), bool)
        end = 0
        for first, last in runs(scores > self._height(limit.normal, 0.5)):
            if np.max(scores[first:last]) > high:
                is_marked[end if end and first - end <= self.merge else first : last] = True
                end = last
        return Marks(is_marked & ~np.isnan(scores), np.full(len(scores), high))

    def _height(self, normal: np.ndarray, share: float) -> float:
        """The limit at a share of the way from the median to the quantile, in logarithms."""
        quantile = float(np.quantile(normal, 0.99))
        median = max(float(np.median(normal)), LEAST_MEDIAN * quantile)
        return median * (quantile / median) ** share if quantile > 0 else quantile


@dataclass(frozen=True, slots=True)
class MeanPlusSigmas(Threshold):
    """The mean of the held-out normal scores plus n_sigmas standard deviations."""

    n_sigmas: float = 3.0

    def __post_init__(self) -> None:
        check_positive("MeanPlusSigmas.n_sigmas", self.n_sigmas)

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """See Threshold.fit."""
        _require_scores(normal)
        return Limit(float(np.mean(normal) + self.n_sigmas * np.std(normal)), normal)


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
        _require_scores(scores)
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


@dataclass(frozen=True, slots=True)
class PeaksOverThreshold(Threshold):
    """The limit that a normal score exceeds with probability risk, from a generalised Pareto distribution of the tail.

    Excesses over the quantile `level` are fitted by maximum likelihood (Siffer et al. 2017, "Anomaly Detection in
    Streams with Extreme Value Theory", equation 1):  z = t + sigma/gamma ((risk n / n_excesses)^-gamma - 1).
    """

    risk: float = 1e-3
    level: float = 0.9

    def __post_init__(self) -> None:
        _check_share("PeaksOverThreshold.risk", self.risk)
        _check_share("PeaksOverThreshold.level", self.level)

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """See Threshold.fit; with fewer than 10 different excesses, the tail is an exponential one."""
        _require_scores(normal)
        return Limit(self._tail_limit(normal), normal)

    def _tail_limit(self, scores: np.ndarray) -> float:
        from scipy.stats import genpareto

        start = float(np.quantile(scores, self.level))
        excesses = scores[scores > start] - start
        if not len(excesses):
            return float(np.max(scores))
        share = len(excesses) / len(scores)
        mean = float(np.mean(excesses))
        if len(np.unique(excesses)) < 10:
            return start + mean * max(0.0, np.log(share / self.risk))
        shape, _, scale = genpareto.fit(excesses / mean, floc=0)
        tail = genpareto.isf(min(1.0, self.risk / share), np.clip(shape, -0.5, 0.5), scale=scale)
        return start + mean * float(tail)


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
        _check_share("Conformal.false_discovery_rate", self.false_discovery_rate)

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """See Threshold.fit. The value is the limit for a single score."""
        _require_scores(normal)
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


@dataclass(frozen=True, slots=True)
class FromScoredData(Threshold):
    """Fits `threshold` to the judged scores themselves. It must be named, because it is circular.

    For long recordings that are mostly normal; it marks a share of the data, whether anomalous or not.
    """

    judges_together: ClassVar[bool] = True
    learns: ClassVar[bool] = False

    threshold: Threshold = MeanPlusSigmas(3.0)

    def __post_init__(self) -> None:
        if type(self.threshold) not in (Quantile, MeanPlusSigmas, PeaksOverThreshold):
            raise InvalidParameter(
                f"FromScoredData takes a Quantile, MeanPlusSigmas or PeaksOverThreshold, got {self.threshold!r}"
            )

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """Nothing to learn before judging."""
        return Limit(None, normal)

    def for_scores(self, limit: Limit, scores: np.ndarray) -> Limit:
        """See Threshold.for_scores."""
        known = scores[np.isfinite(scores)]
        return self.threshold.fit(known) if len(known) else Limit(float("inf"), known)

    def settings(self) -> Mapping[str, object]:
        """See Threshold.settings."""
        return {"threshold": threshold_to_json(self.threshold)}


@dataclass(frozen=True, slots=True)
class Fixed(Threshold):
    """A limit that is a number: `threshold=1.5` is short for Fixed(1.5)."""

    learns: ClassVar[bool] = False

    value: float

    def __post_init__(self) -> None:
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or not np.isfinite(self.value):
            raise InvalidParameter(f"Fixed.value must be a finite number, got {self.value!r}")

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """See Threshold.fit; nothing is learnt."""
        return Limit(float(self.value), normal)


@dataclass(frozen=True, slots=True)
class Unlimited(Threshold):
    """No limit: detect() gives scores and marks nothing. `threshold=None` is short for it."""

    learns: ClassVar[bool] = False
    marks_nothing: ClassVar[bool] = True

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """See Threshold.fit; nothing is learnt."""
        return Limit(None, normal)

    def marks(self, scores: np.ndarray, limit: Limit) -> Marks:
        """See Threshold.marks."""
        return Marks(np.zeros(len(scores), bool), np.full(len(scores), np.inf))


THRESHOLDS: dict[str, type[Threshold]] = {
    "quantile": Quantile,
    "events": Events,
    "sigmas": MeanPlusSigmas,
    "fbeta": FBeta,
    "peaks": PeaksOverThreshold,
    "conformal": Conformal,
    "scored": FromScoredData,
    "dynamic": Dynamic,
    "fixed": Fixed,
    "none": Unlimited,
}
"""All thresholds by name; those with defaults for all settings can be named by users."""

NAMES = ("auto", "quantile", "events", "sigmas", "fbeta", "peaks", "conformal", "scored", "dynamic")


def as_threshold(threshold: object, window: int | None = None) -> Threshold:
    """A threshold from a name, a number (a fixed limit) or None (no limit); a Threshold is returned unchanged.

    window: None for whole sequences; "auto" depends on it.
    """
    if threshold is None:
        return Unlimited()
    if isinstance(threshold, str) and threshold == "auto":
        return Quantile(0.98) if window is None else Events(window)
    if isinstance(threshold, str) and threshold in THRESHOLDS and threshold != "fixed":
        return THRESHOLDS[threshold]()
    if isinstance(threshold, int | float | np.number) and not isinstance(threshold, bool) and np.isfinite(threshold):
        return Fixed(float(threshold))
    if type(threshold) in THRESHOLDS.values():
        return cast(Threshold, threshold)
    raise InvalidParameter(
        f"threshold must be None, a finite number, one of {', '.join(map(repr, NAMES))}, or a Threshold, "
        f"got {threshold!r}",
        parameter="threshold",
    )


def suited(threshold: object, window: int | None, contamination: float | None = None) -> Threshold:
    """as_threshold() for windows of that length. Raises InvalidParameter for one of long series with window=None, and
    for a contamination of steps by which nothing is learnt.
    """
    found = as_threshold(threshold, window)
    if contamination is not None and window is not None and not found.learns:
        raise InvalidParameter(
            f"contamination={contamination!r} of steps is for a limit that is learnt, but threshold {found!r} learns "
            "none; leave one of them out",
            parameter="contamination",
        )
    if found.needs_windows and window is None:
        raise InvalidParameter(
            f"threshold {found!r} marks steps of long series, not whole sequences; it needs window=",
            parameter="threshold",
        )
    return found


def threshold_to_json(threshold: Threshold) -> dict[str, object]:
    """JSON values that threshold_from_json() takes."""
    name = next(name for name, kind in THRESHOLDS.items() if type(threshold) is kind)
    return {"name": name, **threshold.settings()}


def threshold_from_json(saved: Mapping[str, object]) -> Threshold:
    """The inverse of threshold_to_json(). Raises ModelFileError for other values."""
    name, settings = saved.get("name"), {key: value for key, value in saved.items() if key != "name"}
    if not isinstance(name, str) or name not in THRESHOLDS:
        raise misfit("threshold", f"has {shown(name)}, which this seqae does not know")
    if "threshold" in settings:
        settings["threshold"] = threshold_from_json(as_mapping(settings["threshold"], "threshold.threshold"))
    kind = THRESHOLDS[name]
    for key in settings:
        if key not in inspect.signature(kind).parameters:
            raise misfit("threshold", f"has {shown(key)}, which is no setting of it")
    return checked(lambda: kind(**settings), "threshold")


def learn_rule(threshold: Threshold, normal: np.ndarray, anomalous: np.ndarray | None, data: bytes) -> Rule:
    """normal, anomalous: finite scores, (n,) and (m,), see Threshold.fit; data: the fingerprint of their data."""
    limit = threshold.fit(normal, anomalous)
    return Rule(threshold, limit, data if threshold.learns and limit.value is not None else b"")


def p_values(held_out: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Conformal p-values (1 + number of held-out scores >= s) / (n + 1). held_out: (n,); scores: (m,). Returns (m,)."""
    ranked = np.sort(held_out)
    n_higher = len(ranked) - np.searchsorted(ranked, scores, side="left")
    return (1 + n_higher) / (len(ranked) + 1)


def _require_scores(normal: np.ndarray) -> None:
    """Raise InvalidSequence if there are no scores."""
    if not len(normal):
        raise InvalidSequence("there are no normal scores to learn the threshold from; label some data as normal")


def _conformal_limit(ranked: np.ndarray, p: float) -> float:
    """The limit above which, and only above which, p-values are at most p; inf if none can be. ranked: ascending."""
    n_higher = int(_n_higher_at(p, len(ranked)))
    return float(ranked[-min(n_higher, len(ranked))]) if n_higher else float("inf")


def _n_higher_at(p: np.ndarray | float, n_held_out: int) -> np.ndarray:
    """The largest rank, 1 + held-out scores >= s, with a p-value of at most p."""
    return np.floor(p * (n_held_out + 1) + 1e-9)


def _between(low: float, high: float) -> float:
    """A number in [low, high): half-way if floats allow."""
    middle = low + (high - low) / 2
    return middle if middle < high else low


def _check_share(name: str, value: object) -> None:
    """Raise InvalidParameter unless value lies between 0 and 1, both excluded."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise InvalidParameter(f"{name} must be a number above 0 and below 1, got {value!r}")
