"""Where normal ends: limits on anomaly scores, learnt from scores that are not the ones being judged.

Everywhere, higher is more anomalous, and a score is anomalous if it lies above the limit.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import InvalidParameter
from ..parameters import check_positive
from .dynamic import Dynamic


@dataclass(frozen=True, slots=True)
class Quantile:
    """The limit that this share of the held-out normal scores does not exceed."""

    level: float = 0.99

    def __post_init__(self) -> None:
        _check_inside("Quantile.level", self.level)

    def limit(self, scores: np.ndarray, labels: np.ndarray | None = None) -> float:
        """scores: (n,) finite. Returns the limit."""
        return float(np.quantile(scores, self.level))


@dataclass(frozen=True, slots=True)
class MeanPlusSigmas:
    """The mean of the held-out normal scores plus so many of their standard deviations."""

    n_sigmas: float = 3.0

    def __post_init__(self) -> None:
        check_positive("MeanPlusSigmas.n_sigmas", self.n_sigmas)

    def limit(self, scores: np.ndarray, labels: np.ndarray | None = None) -> float:
        """scores: (n,) finite. Returns the limit."""
        return float(np.mean(scores) + self.n_sigmas * np.std(scores))


@dataclass(frozen=True, slots=True)
class FBeta:
    """The limit with the highest F_beta on labelled scores: tau of Malhotra et al. 2016 (1607.00148, section 2).

        F_beta = (1 + beta^2) P R / (beta^2 P + R);  the paper uses beta < 1, so that precision counts more.

    The limit lies half-way between two neighbouring scores. Where all labels are normal it is the highest score; where
    all are anomalous it lies below the lowest.
    """

    beta: float = 0.1

    def __post_init__(self) -> None:
        check_positive("FBeta.beta", self.beta)

    def limit(self, scores: np.ndarray, labels: np.ndarray | None = None) -> float:
        """scores: (n,) finite; labels: (n,), 1 is anomalous. Returns the limit."""
        if labels is None:
            raise InvalidParameter("FBeta needs labels: pass y with 1 for anomalous and 0 for normal")
        order = np.argsort(-scores, kind="stable")
        ranked, hits = scores[order], np.cumsum(labels[order] == 1)
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
class PeaksOverThreshold:
    """The limit that a normal score exceeds with probability risk, from the tail's generalised Pareto distribution.

    Excesses over the quantile `level` are fitted by maximum likelihood (Siffer et al. 2017, "Anomaly Detection in
    Streams with Extreme Value Theory", equation 1):  z = t + sigma/gamma ((risk n / n_excesses)^-gamma - 1).
    """

    risk: float = 1e-3
    level: float = 0.9

    def __post_init__(self) -> None:
        _check_inside("PeaksOverThreshold.risk", self.risk)
        _check_inside("PeaksOverThreshold.level", self.level)

    def limit(self, scores: np.ndarray, labels: np.ndarray | None = None) -> float:
        """scores: (n,) finite. Returns the limit; with fewer than 10 different excesses, an exponential tail's."""
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
class Conformal:
    """Keeps the expected share of false alarms among all alarms at false_discovery_rate, for any distribution.

    Conformal p-values p = (1 + held-out scores >= s) / (n + 1) (Bates et al. 2023, 2104.08279), then Benjamini &
    Hochberg (1995) over the scores that are judged together. So the limit depends on them, and the learnt one, for a
    score judged alone, is where p falls to false_discovery_rate. No p is below 1 / (n + 1): with fewer than
    1 / false_discovery_rate - 1 held-out scores the limit is infinite, and nothing is marked.
    """

    false_discovery_rate: float = 0.1

    def __post_init__(self) -> None:
        _check_inside("Conformal.false_discovery_rate", self.false_discovery_rate)

    def limit(self, scores: np.ndarray, labels: np.ndarray | None = None) -> float:
        """scores: (n,) finite, held-out normals. Returns the limit for a single score."""
        return _conformal_limit(np.sort(scores), self.false_discovery_rate)

    def joint_limit(self, held_out: np.ndarray, scores: np.ndarray) -> float:
        """The limit for scores, (m,), that are judged together; those that are NaN are left out."""
        judged = scores[np.isfinite(scores)]
        n_higher = np.sort(np.round(p_values(held_out, judged) * (len(held_out) + 1)))
        shares = self.false_discovery_rate * np.arange(1, len(judged) + 1) / max(len(judged), 1)
        passing = np.flatnonzero(n_higher <= _n_higher_at(shares, len(held_out)))
        if not len(judged):
            return float("inf")
        last = passing[-1] if len(passing) else 0  # where none passes, each would have to be the first that does
        return _conformal_limit(np.sort(held_out), float(shares[last]))


@dataclass(frozen=True, slots=True)
class FromScoredData:
    """Fits `threshold` anew on the very scores that are judged. Asked for by name, because it is circular.

    It suits a long recording that is itself mostly normal; what it flags is a share of the data, not evidence.
    """

    threshold: Quantile | MeanPlusSigmas | PeaksOverThreshold = MeanPlusSigmas(3.0)

    def __post_init__(self) -> None:
        if not isinstance(self.threshold, Quantile | MeanPlusSigmas | PeaksOverThreshold):
            raise InvalidParameter(
                f"FromScoredData takes a Quantile, MeanPlusSigmas or PeaksOverThreshold, got {self.threshold!r}"
            )

    def limit(self, scores: np.ndarray, labels: np.ndarray | None = None) -> float:
        """scores: (n,) finite, the ones that are judged. Returns the limit."""
        return self.threshold.limit(scores)


Threshold = Quantile | MeanPlusSigmas | FBeta | PeaksOverThreshold | Conformal | FromScoredData | Dynamic

_NAMES: dict[str, type[Threshold]] = {
    "quantile": Quantile,
    "sigmas": MeanPlusSigmas,
    "fbeta": FBeta,
    "peaks": PeaksOverThreshold,
    "conformal": Conformal,
    "scored": FromScoredData,
    "dynamic": Dynamic,
}


def as_threshold(threshold: Any) -> Threshold | float | None:
    """A threshold by its name, a number as a fixed limit, None for none; a Threshold is returned as it is."""
    if threshold is None or isinstance(threshold, Threshold):
        return threshold
    if isinstance(threshold, str) and threshold in _NAMES:
        return _NAMES[threshold]()
    if isinstance(threshold, int | float | np.number) and not isinstance(threshold, bool) and np.isfinite(threshold):
        return float(threshold)
    raise InvalidParameter(
        f"threshold must be None, a finite number, one of {', '.join(map(repr, _NAMES))}, or a Threshold, "
        f"got {threshold!r}"
    )


def p_values(held_out: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Conformal p-values (1 + number of held-out scores >= s) / (n + 1). held_out: (n,); scores: (m,). Returns (m,)."""
    ranked = np.sort(held_out)
    n_higher = len(ranked) - np.searchsorted(ranked, scores, side="left")
    return (1 + n_higher) / (len(ranked) + 1)


def threshold_to_json(threshold: Threshold | float | None) -> Any:
    """JSON values that threshold_from_json() takes."""
    if not isinstance(threshold, Threshold):
        return threshold
    name = next(name for name, kind in _NAMES.items() if type(threshold) is kind)
    if isinstance(threshold, FromScoredData):
        return {"name": name, "threshold": threshold_to_json(threshold.threshold)}
    return {"name": name, **asdict(threshold)}


def threshold_from_json(saved: Any) -> Threshold | float | None:
    """What threshold_to_json() was given."""
    if not isinstance(saved, dict):
        return as_threshold(saved)
    settings = {name: value for name, value in saved.items() if name != "name"}
    if saved["name"] == "scored":
        settings["threshold"] = threshold_from_json(settings["threshold"])
    return _NAMES[saved["name"]](**settings)


def _conformal_limit(ranked: np.ndarray, p: float) -> float:
    """Scores above it, and no others, have a p-value of at most p; inf where none can have one. ranked: ascending."""
    n_higher = int(_n_higher_at(p, len(ranked)))
    return float(ranked[-min(n_higher, len(ranked))]) if n_higher else float("inf")


def _n_higher_at(p: Any, n_held_out: int) -> Any:
    """The most that 1 + held-out scores >= s can be where the p-value of s is at most p."""
    return np.floor(p * (n_held_out + 1) + 1e-9)


def _between(low: float, high: float) -> float:
    """A number in [low, high): half-way where floats allow."""
    middle = low + (high - low) / 2
    return middle if middle < high else low


def _check_inside(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise InvalidParameter(f"{name} must be a number above 0 and below 1, got {value!r}")
