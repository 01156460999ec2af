"""From columns of evidence to one anomaly score per step, learnt on normal data that training never saw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import InvalidParameter
from ..parameters import check_choice
from ..sequences.ragged import Ragged
from .nearest import NEAREST
from .sensors import LATENT, LINEAR, PREDICTION, RECONSTRUCTION
from .symbols import NGRAM, PAIRS, SYMBOLS

LEAST_ERROR = 0.1
"""Scaled units: an error below a tenth of a channel's standard deviation is not news, however small errors are."""
LEAST_SURPRISE = 1e-3
"""Nats: what is usual of a cross-entropy is no less, however well a model knows the next symbol."""
LEAST_RATIO = 1e-2
"""Of the held-out median: below it, parts of a joint score count alike."""

NEAREST_WEIGHT = 16.0
"""Of "nearest" in a joint score for one channel, 1 for several; chosen on the open sets of benchmarks/detect.py."""

KINDS = {
    "error": (RECONSTRUCTION,),
    "mahalanobis": (RECONSTRUCTION,),
    "prediction": (PREDICTION,),
    "combined": (RECONSTRUCTION, PREDICTION),
    "latent": (LATENT,),
    "linear": (LINEAR,),
    "nearest": (NEAREST,),
    "ngram": (NGRAM,),
    "symbols": (SYMBOLS,),
    "pairs": (PAIRS,),
}
"""What each part of a score looks at."""

OF_TOKENS = ("ngram", "symbols", "pairs")
OF_VECTORS = ("linear", "nearest", "prediction", "combined")
OF_BASELINES = {"pca": ("error", "mahalanobis", "latent"), "ngram": ("error", "mahalanobis", "symbols", "pairs")}

ERRORS = ("error", "linear", "prediction", "combined", "ngram")
"""Parts that are errors in scaled units, or of tokens in nats, and so can be compared."""


@dataclass(frozen=True, slots=True, eq=False)
class MeanError:
    """Mean over columns of |e| / typical, where typical is the column's root mean square on held-out normals, or 0.1.

    typical: (n_columns,), in scaled units.
    """

    typical: np.ndarray

    def score(self, errors: np.ndarray) -> np.ndarray:
        """errors: (n_steps, n_columns), NaN where unknown. Returns (n_steps,), NaN where all is."""
        is_known = ~np.isnan(errors)
        count = is_known.sum(axis=1)
        # cumsum adds one after the other, so that a step's bits do not depend on how many steps there are
        total = np.cumsum(np.where(is_known, errors, 0.0) / self.typical, axis=1)[:, -1]
        return np.divide(total, count, out=np.full(len(errors), np.nan), where=count > 0)


@dataclass(frozen=True, slots=True, eq=False)
class MeanSurprise:
    """Cross-entropy / typical, where typical is its mean on held-out normals, or 0.001. typical: (1,), in nats."""

    typical: np.ndarray

    def score(self, losses: np.ndarray) -> np.ndarray:
        """losses: (n_steps, 1). Returns (n_steps,)."""
        return losses[:, 0] / self.typical[0]


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
    model: MeanError | MeanSurprise | Mahalanobis
    typical: float = 1.0
    weight: float = 1.0


def fit_mean_error(errors: np.ndarray, least: float = LEAST_ERROR) -> MeanError:
    """errors: (n, n_columns) of held-out normals. A column without one counts as usual size `least`."""
    is_known = ~np.isnan(errors)
    squares = np.where(is_known, errors, 0.0) ** 2
    mean_square = squares.sum(axis=0) / np.maximum(is_known.sum(axis=0), 1)
    return MeanError(np.maximum(np.sqrt(mean_square), least))


def fit_mean_surprise(losses: np.ndarray) -> MeanSurprise:
    """losses: (n, 1) of held-out normals, in nats."""
    return MeanSurprise(np.maximum(losses.mean(axis=0), LEAST_SURPRISE))


def fit_mahalanobis(errors: np.ndarray) -> Mahalanobis:
    """Mean and full covariance of the error vectors of held-out normals, shrunk as Ledoit & Wolf (2004) derive.

    errors: (n, n_columns), NaN where unknown: what is known of each column and pair counts, and a column of which
    nothing is has the mean and variance of the others. Any errors give a covariance that can be inverted: beside the
    shrinkage, each variance gets at least a millionth of the mean one.
    """
    from scipy.linalg import solve_triangular
    from sklearn.covariance import ledoit_wolf

    is_known = ~np.isnan(errors)
    rows = errors[is_known.any(axis=1)]
    if not len(rows):
        return Mahalanobis(np.zeros(errors.shape[1]), np.eye(errors.shape[1]))
    is_known = ~np.isnan(rows)
    mean = rows.mean(axis=0) if is_known.all() else _mean_of_known(rows)
    centred = np.where(is_known, rows - mean, 0.0)
    size = float(np.sqrt(np.mean(centred[is_known] ** 2))) or 1.0
    if len(rows) == 1:
        covariance = np.eye(len(mean))
    elif is_known.all():
        covariance, _ = ledoit_wolf(centred / size, assume_centered=True)
    else:
        covariance = _covariance_of_known(centred / size, is_known)
    covariance = covariance + 1e-6 * np.eye(len(mean))
    factor = np.linalg.cholesky(covariance)
    return Mahalanobis(mean, solve_triangular(factor, np.eye(len(mean)), lower=True) / size)


def _mean_of_known(rows: np.ndarray) -> np.ndarray:
    """Of each column; where nothing of it is known, the mean of the others. rows: (n, n_columns), NaN where unknown."""
    count = (~np.isnan(rows)).sum(axis=0)
    mean = np.divide(np.nansum(rows, axis=0), count, out=np.zeros(rows.shape[1]), where=count > 0)
    return np.where(count > 0, mean, mean[count > 0].mean())


def _covariance_of_known(centred: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """Each pair of columns from the rows that know both, shrunk as if all were known, and the nearest one without
    negative variances. centred: (n, n_columns), 0 where unknown.
    """
    from sklearn.covariance import ledoit_wolf_shrinkage

    n_both = is_known.T.astype(np.float64) @ is_known
    covariance = centred.T @ centred / np.maximum(n_both, 1.0)
    is_unknown = ~is_known.any(axis=0)
    usual = float(np.trace(covariance)) / int((~is_unknown).sum())
    covariance[is_unknown, is_unknown] = usual
    shrinkage = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    covariance = (1 - shrinkage) * covariance + shrinkage * usual * np.eye(len(covariance))
    variances, axes = np.linalg.eigh(covariance)
    return (axes * np.maximum(variances, 0.0)) @ axes.T


def fit_part(name: str, columns: np.ndarray, *, is_of_tokens: bool = False) -> Part:
    """columns: (n_steps, n_columns) of held-out normals, as KINDS names them."""
    if name == "mahalanobis":
        return Part(name, fit_mahalanobis(columns))
    if is_of_tokens and name in ERRORS:
        return Part(name, fit_mean_surprise(columns))
    return Part(name, fit_mean_error(columns, least=LEAST_ERROR if name in ERRORS else 1e-6))


def with_typical(part: Part, scores: np.ndarray) -> Part:
    """The part, knowing its median on held-out normals. scores: (n,), of steps or sequences."""
    known = scores[np.isfinite(scores)]
    median = float(np.median(known)) if len(known) else 1.0
    return replace(part, typical=median if median > 0 else 1.0)


def weighted(parts: tuple[Part, ...], n_channels: int) -> tuple[Part, ...]:
    """The parts with their weights in a joint score.

    Parts that measure errors weigh by the inverse of their mean squared error on held-out normals, the best one 1, so
    that a model that explains normal data poorly yields to one that explains it well. Of tokens, "ngram" weighs 1, and
    "error" the ratio of their perplexities, at most 1: an autoencoder has seen the symbols that it tells, so that a low
    perplexity is no merit of its own.
    """
    sizes = {part.name: _size(part) for part in parts if part.name in ERRORS}
    least = sizes.get("ngram", min(sizes.values(), default=1.0))
    weights = {name: min(least / size, 1.0) for name, size in sizes.items()}
    weights["nearest"] = NEAREST_WEIGHT if n_channels == 1 else 1.0
    return tuple(replace(part, weight=weights.get(part.name, 1.0)) for part in parts)


def _size(part: Part) -> float:
    """The mean square of errors, the perplexity of symbols (at most e^50)."""
    if isinstance(part.model, MeanSurprise):
        return float(np.exp(np.minimum(part.model.typical[0], 50.0)))
    return float(np.mean(part.model.typical**2)) if isinstance(part.model, MeanError) else 1.0


def joint(parts: tuple[Part, ...], scores: list[np.ndarray]) -> np.ndarray:
    """One score of all parts: that of a single part itself; of several, the weighted geometric mean of score /
    typical, so that 1 is usual.

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
    return np.exp(np.divide(total, weights, out=np.full(len(total), np.nan), where=weights > 0))


def as_names(score: Any) -> tuple[str, ...]:
    """The parts of a score that was given as a name or a sequence of names."""
    names = (score,) if isinstance(score, str) else score
    if not isinstance(names, tuple | list) or not names or len(set(names)) != len(names):
        raise InvalidParameter(
            f"score must be 'auto', a name, or a tuple of different names, got {score!r}", parameter="score"
        )
    return tuple(check_choice("score", name, tuple(KINDS)) for name in names)


def choose_parts(score: Any, baseline: str | None, normal: Ragged, window: int | None) -> tuple[str, ...]:
    """The parts of a score, where "auto" is what suits the data. Raises InvalidParameter for what does not.

    normal: what is learnt from; window: None for whole sequences.
    """
    if baseline is not None and (baseline == "ngram") != normal.is_tokens:
        raise InvalidParameter("baseline='pca' takes vectors and baseline='ngram' takes tokens; choose the other")
    names = _automatic(baseline, normal, window) if score == "auto" else as_names(score)
    usual = OF_BASELINES.get(baseline or "", names)
    if not set(usual).issuperset(names):
        raise InvalidParameter(f"baseline={baseline!r} has the scores {', '.join(map(repr, usual))}, got {names}")
    wrong = [name for name in names if name in (OF_VECTORS if normal.is_tokens else OF_TOKENS)]
    if wrong:
        kinds = ("tokens", "vectors") if normal.is_tokens else ("vectors", "tokens")
        raise InvalidParameter(f"X holds {kinds[0]}, but score {wrong[0]!r} is of {kinds[1]}; score='auto' suits both")
    return names


def _automatic(baseline: str | None, normal: Ragged, window: int | None) -> tuple[str, ...]:
    if baseline == "pca":
        return ("error",)
    if normal.is_tokens:
        return ("error", "symbols", "pairs") if baseline else ("error", *OF_TOKENS)
    is_equal = window is not None or normal.lengths.min() == normal.lengths.max()
    return ("error", "linear", "nearest") if is_equal else ("error", "latent")
