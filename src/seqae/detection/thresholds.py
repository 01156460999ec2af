"""Limits on anomaly scores, learnt from scores of held-out data.

Higher scores are more anomalous; a score above the limit is an anomaly.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Literal, Protocol, cast

import numpy as np

from ..errors import DataWarning, InvalidParameter
from ..parameters import check_count, check_positive
from ..sequences.checks import check_scores
from ..storage.vetting import as_mapping, checked, misfit, shown
from .conformal import Conformal
from .dynamic import Dynamic
from .fbeta import FBeta
from .limits import Limit, Marks, Rule, Threshold, check_level, runs

LEAST_MEDIAN = 1e-2
"""Of the median of normal scores, relative to their 0.99 quantile: below it, scores are as good as 0."""
UNMERGED = 100
"""Steps between events that are one, where no window is known."""


@dataclass(frozen=True, slots=True)
class Quantile(Threshold):
    """A quantile of the held-out normal scores."""

    level: float = 0.99

    def __post_init__(self) -> None:
        check_level("Quantile.level", self.level)

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """See Threshold.fit."""
        check_scores(normal)
        return Limit(float(np.quantile(normal, self.level)), normal)


@dataclass(frozen=True, slots=True, repr=False)
class Events(Threshold):
    """Marks events of long series: runs of high scores, in which at least one step is far above normal ones.

    With m the median of the held-out normal scores and q their 0.99 quantile, an event has a score above q (q/m)^0.5
    and goes on, in both directions, while scores stay above m (q/m)^0.5; events at most `merge` steps apart are one.
    These limits lie 1.5 and 0.5 times as far above the median as the quantile does, on a logarithmic scale: of
    log-normal scores 1 step in 4,000 starts an event. Two limits are hysteresis (Canny 1986, section VIII).
    A single score, as of a stream, is judged by the first.

    merge: steps; "auto" is the window. shortest: steps of the shortest event that is marked. max_alarms_per_day: the
    first limit is raised until the held-out data have no more events than this for each of their days; it needs dates
    as times.

    >>> import numpy as np
    >>> threshold = Events(merge=1, shortest=2)
    >>> limit = threshold.fit(np.linspace(1.0, 2.0, 101))
    >>> threshold.marks(np.array([1.0, 9.0, 9.0, 1.0, 9.0, 1.0, 1.0, 9.0]), limit).is_marked.tolist()
    [False, True, True, True, True, False, False, False]
    """

    needs_windows: ClassVar[bool] = True

    merge: int | Literal["auto"] = "auto"
    shortest: int = 1
    max_alarms_per_day: float | None = None

    def __post_init__(self) -> None:
        if self.merge != "auto":
            check_count("Events.merge", self.merge, least=0)
        check_count("Events.shortest", self.shortest)
        if self.max_alarms_per_day is not None:
            check_positive("Events.max_alarms_per_day", self.max_alarms_per_day)

    def __repr__(self) -> str:
        changed = [f"{one.name}={value!r}" for one in fields(self) if (value := getattr(self, one.name)) != one.default]
        return f"Events({', '.join(changed)})"

    def for_window(self, window: int | None) -> Events:
        """See Threshold.for_window."""
        return replace(self, merge=window) if self.merge == "auto" and window is not None else self

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """See Threshold.fit; without times, the limit is not raised."""
        check_scores(normal)
        return Limit(self._height(normal, 1.5), normal)

    def fit_in_time(self, normal: np.ndarray, anomalous: np.ndarray | None, steps_per_day: float | None) -> Limit:
        """See Threshold.fit_in_time."""
        limit = self.fit(normal)
        return limit if self.max_alarms_per_day is None else self._raised(limit, self.max_alarms_per_day, steps_per_day)

    def marks(self, scores: np.ndarray, limit: Limit) -> Marks:
        """See Threshold.marks; the limits are those that start an event."""
        high, is_marked = self.single(limit), np.zeros(len(scores), bool)
        for first, end in self._events(scores, limit, high):
            is_marked[first:end] = True
        return Marks(is_marked & ~np.isnan(scores), np.full(len(scores), high))

    def _events(self, scores: np.ndarray, limit: Limit, high: float) -> list[tuple[int, int]]:
        """Events as [start, end), with a score above high."""
        apart = UNMERGED if self.merge == "auto" else self.merge
        found: list[tuple[int, int]] = []
        for first, end in runs(scores > self._height(limit.normal, 0.5)):
            if np.max(scores[first:end]) > high:
                is_near = bool(found) and first - found[-1][1] <= apart
                found.append((found.pop()[0] if is_near else first, end))
        return [(first, end) for first, end in found if end - first >= self.shortest]

    def _raised(self, limit: Limit, most_per_day: float, steps_per_day: float | None) -> Limit:
        """A limit that no more events of the normal scores exceed."""
        if steps_per_day is None:
            raise InvalidParameter(
                f"max_alarms_per_day={most_per_day:g} needs dates as times, which tell how many steps a day has; "
                "read the data with time=",
                parameter="max_alarms_per_day",
            )
        scores, high = limit.normal, self.single(limit)
        n_days = len(scores) / steps_per_day
        while len(found := self._events(scores, limit, high)) > int(most_per_day * n_days):
            high = min(float(np.max(scores[first:end])) for first, end in found)
        if most_per_day * n_days < 1:
            warnings.warn(
                f"the held-out {n_days:.2g} days are too few to tell a rate of {most_per_day:g} alarms a day: none of "
                f"their events is above the limit, which tells that there are at most about {1 / n_days:.2g} a day",
                DataWarning,
                stacklevel=2,
            )
        return Limit(high, scores)

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
        check_scores(normal)
        return Limit(float(np.mean(normal) + self.n_sigmas * np.std(normal)), normal)


@dataclass(frozen=True, slots=True)
class PeaksOverThreshold(Threshold):
    """The limit that a normal score exceeds with probability risk, from a generalised Pareto distribution of the tail.

    Excesses over the quantile `level` are fitted by maximum likelihood (Siffer et al. 2017, "Anomaly Detection in
    Streams with Extreme Value Theory", equation 1):  z = t + sigma/gamma ((risk n / n_excesses)^-gamma - 1).
    """

    risk: float = 1e-3
    level: float = 0.9

    def __post_init__(self) -> None:
        check_level("PeaksOverThreshold.risk", self.risk)
        check_level("PeaksOverThreshold.level", self.level)

    def fit(self, normal: np.ndarray, anomalous: np.ndarray | None = None) -> Limit:
        """See Threshold.fit; with fewer than 10 different excesses, the tail is an exponential one."""
        check_scores(normal)
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
        return Quantile(0.98) if window is None else Events(merge=window)
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
    found = as_threshold(threshold, window).for_window(window)
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


class HeldOut(Protocol):
    """What was learnt of held-out normal data: see storage.Learnt."""

    @property
    def held_out_scores(self) -> np.ndarray:
        """(n,) finite scores."""
        ...

    @property
    def stream_scores(self) -> np.ndarray:
        """(m,) finite scores, as a stream gives them."""
        ...

    @property
    def data(self) -> bytes:
        """The fingerprint of the data."""
        ...

    @property
    def rule(self) -> Rule:
        """The rule that was learnt from them."""
        ...


def rule_by(threshold: Threshold, learnt: HeldOut, anomalous: np.ndarray | None = None) -> Rule:
    """The rule of a threshold, from the held-out scores. anomalous: (m,) finite scores of labelled anomalies."""
    return learn_rule(threshold, learnt.held_out_scores, anomalous, learnt.data, learnt.rule.steps_per_day)


def learn_rule(
    threshold: Threshold,
    normal: np.ndarray,
    anomalous: np.ndarray | None,
    data: bytes,
    steps_per_day: float | None = None,
) -> Rule:
    """normal, anomalous: finite scores, (n,) and (m,), see Threshold.fit; data: the fingerprint of their data.

    steps_per_day: as their times tell it, None where they do not. Warns (DataWarning) if nothing can be marked.
    """
    limit = threshold.fit_in_time(normal, anomalous, steps_per_day)
    if limit.value == np.inf:
        why = threshold.why_nothing(limit, np.zeros(0))
        warnings.warn(f"{threshold!r} marks nothing: {why}", DataWarning, stacklevel=3)
    return Rule(threshold, limit, data if threshold.learns and limit.value is not None else b"", steps_per_day)
