"""Whole sequences, each held out once: their scores, which of them are usual, and a last fit on these."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from ..errors import DataWarning
from ..recurrence.sequencewise import resample
from ..sequences.ragged import Ragged
from .evidence.interface import Evidence, Score, Setting
from .scoring import columns_read, fit_scorer, joined
from .series import Series, check_several

Model = TypeVar("Model")
Fit = tuple[Model, Setting, tuple[Evidence, ...]]
"""What a fit on normal sequences or windows gives; the setting holds what the evidence needs of the model."""

FAR_OUTSIDE, WELL_INSIDE = 4.0, 2.0
CORE, CORE_FOLDS, CORE_POINTS = 0.8, 3, 64
FEWEST_SEQUENCES = 20
FEWEST_MASKED = 2
MOST_NAMED = 10


@dataclass(frozen=True, eq=False)
class Crossed(Generic[Model]):
    """fit: the last one, on usual sequences; columns: of those not left out, read by fits that did not see them.

    left_out, masked: numbers of sequences, (m,).
    """

    fit: Fit[Model]
    columns: Ragged
    left_out: np.ndarray
    masked: np.ndarray


@dataclass(frozen=True, slots=True)
class Crossing(Generic[Model]):
    """How to cross-fit: fit_on(sequences) gives a model, a setting and evidence, which `scores` are computed from."""

    fit_on: Callable[[Ragged], Fit[Model]]
    scores: tuple[Score, ...]
    setting: Setting
    n_folds: int
    seed: int

    def fit(self, series: Series, contamination: float | None = None) -> Crossed[Model]:
        """Fit on whole sequences (Barber et al. 2021, "Predictive inference with the jackknife+", CV+).

        The last fit has all that are not far outside: the logarithm of such a score lies over 4 robust standard
        deviations (1.4826 median absolute deviations) above the median.

        Anomalies among training data that are alike hide one another (masking: Rousseeuw & Leroy 1987, section 1.2),
        since each is usual beside the others. So a core of 80 %, nearest to the median curve, is cross-fitted too. With
        a contamination, what is far outside the core to fits on it, and at least this share of all, is left out from
        the start. Without, it is masked if two such sequences at least lie within 2 deviations to fits on all. Tokens
        have no median curve, and nothing of theirs is left out. Raises InvalidSequence for fewer than two sequences.
        """
        n = len(series.ragged)
        check_several(n)
        is_out = np.zeros(n, bool)
        if contamination is not None and self._has_core(n):
            outside, _ = self._outside_core(series)
            is_out = outside > min(FAR_OUTSIDE, float(np.quantile(outside, 1 - contamination)))
        columns, found = self._crossed(series, ~is_out, self.n_folds)
        is_usual = ~is_out & (deviations(found, ~is_out) <= FAR_OUTSIDE)
        last = self.fit_on(series.ragged[np.flatnonzero(is_usual)])
        is_masked = self._are_masked(series, found) if contamination is None else np.zeros(n, bool)
        kept = columns[np.flatnonzero(~is_out)].compact()
        return Crossed(last, kept, np.flatnonzero(is_out), np.flatnonzero(is_masked))

    def _has_core(self, n: int) -> bool:
        return not self.setting.are_tokens and n >= FEWEST_SEQUENCES

    def _outside_core(self, series: Series) -> tuple[np.ndarray, np.ndarray]:
        """How far outside the core each sequence lies to fits on it, (n,), and which are in it, (n,) bool."""
        core = nearest_to_median(series.ragged, CORE)
        return deviations(self._crossed(series, core, CORE_FOLDS)[1], core), core

    def _are_masked(self, series: Series, found: np.ndarray) -> np.ndarray:
        """Which sequences hide one another, (n,) bool. found: (n,) scores by fits on all."""
        if not self._has_core(len(found)):
            return np.zeros(len(found), bool)
        outside, core = self._outside_core(series)
        is_masked = (outside > FAR_OUTSIDE) & (deviations(found, core) < WELL_INSIDE)
        return is_masked if is_masked.sum() >= FEWEST_MASKED else np.zeros(len(found), bool)

    def _crossed(self, series: Series, is_fitted: np.ndarray, n_folds: int) -> tuple[Ragged, np.ndarray]:
        """The columns and the score of each sequence, read by a fit on the fitted ones of the other folds."""
        folds = fold_numbers(len(is_fitted), n_folds, self.seed)
        evidence, read, order = (), [], []
        for k in range(folds.max() + 1):
            held_out = np.flatnonzero(folds == k)
            evidence = self.fit_on(series.ragged[np.flatnonzero(is_fitted & (folds != k))])[-1]
            read.append(columns_read(evidence, replace(series, ragged=series.ragged[held_out]), self.setting))
            order.append(held_out)
        columns = joined(read)[np.argsort(np.concatenate(order))].compact()
        scorer, _ = fit_scorer(self.scores, evidence, columns[np.flatnonzero(is_fitted)].compact(), self.setting)
        return columns, scorer.sequence_scores(columns)


def deviations(scores: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """How many robust standard deviations the logarithm of each score lies above the median of the known ones'.

    scores: (n,). Returns (n,); 0 where a score is NaN, and everywhere if half of the known ones are equal.
    """
    logs = np.log(np.maximum(scores, np.finfo(np.float64).tiny))
    middle = np.nanmedian(logs[is_known])
    deviation = 1.4826 * float(np.nanmedian(np.abs(logs[is_known] - middle)))
    return np.nan_to_num((logs - middle) / deviation) if deviation > 0 else np.zeros(len(logs))


def nearest_to_median(sequences: Ragged, share: float) -> np.ndarray:
    """Which sequences are the share that is nearest to the median curve, on a grid of relative time; (n,) bool.

    The distance is the root mean square over channels, each divided by its median absolute deviation.
    """
    curves = resample(sequences, CORE_POINTS)
    apart = curves - np.median(curves, axis=0)
    scale = np.median(np.abs(apart), axis=(0, 1))
    distances = np.sqrt(np.mean((apart / np.where(scale > 0, scale, 1.0)) ** 2, axis=(1, 2)))
    return distances <= np.quantile(distances, share)


def fold_numbers(n: int, n_folds: int, seed: int) -> np.ndarray:
    """The fold of each of n sequences, at random; at least 2 folds and at most n. Returns (n,)."""
    n_folds = min(max(n_folds, 2), n)
    return np.argsort(np.random.default_rng((seed, 1)).permutation(n), kind="stable") % n_folds


def tell_masked(numbers: np.ndarray, n: int) -> None:
    """Warn (DataWarning) of sequences that hide one another. numbers: theirs, of n."""
    if len(numbers):
        named = ", ".join(map(str, numbers[:MOST_NAMED])) + (", ..." if len(numbers) > MOST_NAMED else "")
        warnings.warn(
            f"{len(numbers)} of {n} sequences (numbers {named}) lie far outside the others and are usual only beside "
            f"one another: look at them, and if they may be anomalies, pass contamination={len(numbers) / n:.1g}",
            DataWarning,
            stacklevel=3,
        )
