"""From columns of evidence to one anomaly score per step, learnt on normal data that training never saw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InvalidParameter
from ..parameters import check_choice
from .sensors import LATENT, LINEAR, NEAREST, PREDICTION, RECONSTRUCTION

LEAST_ERROR = 0.1
"""Scaled units: an error below a tenth of a channel's standard deviation is not news, however small errors are."""
LEAST_RATIO = 1e-2
"""Of the held-out median: below it, parts of a joint score count alike."""

NEAREST_WEIGHT = 8.0
"""Of "nearest" in a joint score for one channel, 1 for several; chosen on the open sets of benchmarks/detect.py."""

KINDS = {
    "error": (RECONSTRUCTION,),
    "mahalanobis": (RECONSTRUCTION,),
    "prediction": (PREDICTION,),
    "combined": (RECONSTRUCTION, PREDICTION),
    "latent": (LATENT,),
    "linear": (LINEAR,),
    "nearest": (NEAREST,),
}
"""What each part of a score looks at."""

ERRORS = ("error", "linear", "prediction", "combined")
"""Parts that are errors in scaled units, and so can be compared."""


@dataclass(frozen=True, slots=True, eq=False)
class MeanError:
    """Mean over columns of |e| / typical, where typical is the column's root mean square on held-out normals, or 0.1.

    typical: (n_columns,), in scaled units.
    """

    typical: np.ndarray

    def score(self, errors: np.ndarray) -> np.ndarray:
        """errors: (n_steps, n_columns), NaN where unknown. Returns (n_steps,), NaN where all is."""
        is_known = ~np.isnan(errors)
        total, count = np.zeros(len(errors)), is_known.sum(axis=1)
        for k, typical in enumerate(self.typical):
            total += np.where(is_known[:, k], errors[:, k], 0.0) / typical
        return np.divide(total, count, out=np.full(len(errors), np.nan), where=count > 0)


@dataclass(frozen=True, slots=True, eq=False)
class Mahalanobis:
    """a = (e - mu)^T S^-1 (e - mu) (Malhotra et al. 2016, 1607.00148, section 2), with S = L L^T as |L^-1 (e - mu)|^2.

    mean: (n_columns,); whitener: (n_columns, n_columns), L^-1, lower triangular.
    """

    mean: np.ndarray
    whitener: np.ndarray

    def score(self, errors: np.ndarray) -> np.ndarray:
        """errors: (n_steps, n_columns); an unknown one counts as the mean. Returns (n_steps,), NaN where all is."""
        is_known = ~np.isnan(errors)
        centred = np.where(is_known, errors, self.mean) - self.mean
        total = np.zeros(len(errors))
        for k, row in enumerate(self.whitener):  # column by column, so that a step's bits do not depend on the others
            whitened = np.zeros(len(errors))
            for j in range(k + 1):
                whitened += row[j] * centred[:, j]
            total += whitened * whitened
        return np.where(is_known.any(axis=1), total, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One part of a score. name: a key of KINDS; typical: its median on held-out normals; weight: in a joint score."""

    name: str
    model: MeanError | Mahalanobis
    typical: float = 1.0
    weight: float = 1.0


def fit_mean_error(errors: np.ndarray, least: float = LEAST_ERROR) -> MeanError:
    """errors: (n, n_columns) of held-out normals. A column without one counts as usual size `least`."""
    is_known = ~np.isnan(errors)
    squares = np.where(is_known, errors, 0.0) ** 2
    mean_square = squares.sum(axis=0) / np.maximum(is_known.sum(axis=0), 1)
    return MeanError(np.maximum(np.sqrt(mean_square), least))


def fit_mahalanobis(errors: np.ndarray) -> Mahalanobis:
    """Mean and full covariance of the error vectors of held-out normals, shrunk as Ledoit & Wolf (2004) derive.

    errors: (n, n_columns), NaN where unknown. Any errors give a covariance that can be inverted: beside the shrinkage,
    each variance gets at least a millionth of the mean one.
    """
    from scipy.linalg import solve_triangular
    from sklearn.covariance import ledoit_wolf

    known = errors[~np.isnan(errors).any(axis=1)]
    if not len(known):
        return Mahalanobis(np.zeros(errors.shape[1]), np.eye(errors.shape[1]))
    mean = known.mean(axis=0)
    size = float(np.sqrt(np.mean((known - mean) ** 2))) or 1.0
    if len(known) > 1:
        covariance, _ = ledoit_wolf((known - mean) / size, assume_centered=True)
    else:
        covariance = np.eye(len(mean))
    covariance = covariance + 1e-6 * np.eye(len(mean))
    factor = np.linalg.cholesky(covariance)
    return Mahalanobis(mean, solve_triangular(factor, np.eye(len(mean)), lower=True) / size)


def fit_part(name: str, columns: np.ndarray) -> Part:
    """columns: (n_steps, n_columns) of held-out normals, as KINDS names them."""
    if name == "mahalanobis":
        return Part(name, fit_mahalanobis(columns))
    return Part(name, fit_mean_error(columns, least=1e-6 if name in ("latent", "nearest") else LEAST_ERROR))


def with_typical(part: Part, scores: np.ndarray) -> Part:
    """The part, knowing its median on held-out normals. scores: (n,), of steps or sequences."""
    known = scores[np.isfinite(scores)]
    median = float(np.median(known)) if len(known) else 1.0
    return replace(part, typical=median if median > 0 else 1.0)


def weighted(parts: tuple[Part, ...], n_channels: int) -> tuple[Part, ...]:
    """The parts with their weights in a joint score.

    Parts that measure errors weigh by the inverse of their mean squared error on held-out normals, the best one 1, so
    that a model that explains normal data poorly yields to one that explains it well.
    """
    squares = {part.name: _mean_square(part) for part in parts if part.name in ERRORS}
    least = min(squares.values(), default=1.0)
    weights = {name: least / square for name, square in squares.items()}
    weights["nearest"] = NEAREST_WEIGHT if n_channels == 1 else 1.0
    return tuple(replace(part, weight=weights.get(part.name, 1.0)) for part in parts)


def _mean_square(part: Part) -> float:
    return float(np.mean(part.model.typical**2)) if isinstance(part.model, MeanError) else 1.0


def joint(parts: tuple[Part, ...], scores: list[np.ndarray]) -> np.ndarray:
    """One score of all parts: that of a single part itself; of several, the weighted mean of log(score / typical).

    So no part outweighs the others by its units, and what is unusual for two parts at once ranks above what is very
    unusual for one. scores: per part (n,), NaN where unknown; such a part is left out. Returns (n,), NaN where all are.
    """
    if len(parts) == 1:
        return scores[0]
    total, weights = np.zeros(len(scores[0])), np.zeros(len(scores[0]))
    for part, score in zip(parts, scores, strict=True):
        weight = part.weight * ~np.isnan(score)
        ratio = np.where(np.isnan(score), 0.0, score) / part.typical
        total += weight * np.log(np.maximum(ratio, 0.0) + LEAST_RATIO)
        weights += weight
    return np.divide(total, weights, out=np.full(len(total), np.nan), where=weights > 0)


def as_names(score: Any) -> tuple[str, ...]:
    """The parts of a score that was given as a name or a sequence of names."""
    names = (score,) if isinstance(score, str) else score
    if not isinstance(names, tuple | list) or not names or len(set(names)) != len(names):
        raise InvalidParameter(f"score must be 'auto', a name, or a tuple of different names, got {score!r}")
    return tuple(check_choice("score", name, tuple(KINDS)) for name in names)
