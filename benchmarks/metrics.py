"""Metrics of the detection benchmarks, as functions of labels and scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def segments(is_marked: np.ndarray) -> list[tuple[int, int]]:
    """Runs of True as [start, end). is_marked: (n_steps,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(is_marked, bool), [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def ranked(scores: np.ndarray) -> np.ndarray:
    """Scores with NaN, unknown, as the least anomalous."""
    scores = np.asarray(scores, np.float64)
    return np.where(np.isnan(scores), -np.inf, scores)


def auroc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Chance that an anomaly scores above a normal, ties counting half. labels: (n,) 1 is anomalous."""
    from scipy.stats import rankdata

    is_anomaly = np.asarray(labels, bool)
    n_anomalies, n_normal = int(is_anomaly.sum()), int((~is_anomaly).sum())
    if not n_anomalies or not n_normal:
        return float("nan")
    ranks = rankdata(ranked(scores))
    return float((ranks[is_anomaly].sum() - n_anomalies * (n_anomalies + 1) / 2) / (n_anomalies * n_normal))


def average_precision(labels: np.ndarray, scores: np.ndarray) -> float:
    """Area under precision over recall, as steps at each distinct score."""
    is_anomaly = np.asarray(labels, bool)
    if not is_anomaly.any():
        return float("nan")
    hits, is_last = _cuts(is_anomaly, scores)
    precision = (hits / np.arange(1, len(hits) + 1))[is_last]
    recall = (hits / hits[-1])[is_last]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


@dataclass(frozen=True, slots=True)
class Events:
    """Counts of segments by Orion's overlap rule, which add up over series."""

    n_found: int  # labelled segments that some predicted segment overlaps
    n_missed: int
    n_false: int  # predicted segments that overlap no labelled one

    def __add__(self, other: Events) -> Events:
        return Events(self.n_found + other.n_found, self.n_missed + other.n_missed, self.n_false + other.n_false)

    @property
    def f1(self) -> float:
        """2 found / (2 found + missed + false); 0 where nothing was found."""
        total = 2 * self.n_found + self.n_missed + self.n_false
        return 2 * self.n_found / total if total else 0.0


def count_events(labels: np.ndarray, predicted: np.ndarray) -> Events:
    """Orion's overlapping-segment counts (orion.evaluation.contextual, weighted=False). Both: (n_steps,) bool."""
    labelled, marked = segments(labels), segments(predicted)
    label_sums, marked_sums = _running(labels), _running(predicted)
    found = sum(marked_sums[end] > marked_sums[start] for start, end in labelled)
    false = sum(label_sums[end] == label_sums[start] for start, end in marked)
    return Events(int(found), len(labelled) - int(found), int(false))


def f1(labels: np.ndarray, predicted: np.ndarray) -> float:
    """F1 of single decisions."""
    is_anomaly, is_alarm = np.asarray(labels, bool), np.asarray(predicted, bool)
    total = int(is_anomaly.sum() + is_alarm.sum())
    return 2 * int((is_anomaly & is_alarm).sum()) / total if total else 0.0


def best_f1(labels: np.ndarray, scores: np.ndarray) -> float:
    """The highest F1 over all thresholds on these scores; uses the labels."""
    is_anomaly = np.asarray(labels, bool)
    hits, is_last = _cuts(is_anomaly, scores)
    f1_of_cuts = 2 * hits / (np.arange(1, len(hits) + 1) + is_anomaly.sum())
    return float(np.max(f1_of_cuts[is_last]))


def is_top_hit(scores: np.ndarray, start: int, end: int, *, slack: int = 100) -> bool:
    """Whether the highest score lies in [start - slack, end + slack): the UCR archive's rule."""
    return start - slack <= int(np.nanargmax(scores)) < end + slack


def interval(values: list[float]) -> tuple[float, float]:
    """Mean and half the width of the 95 % confidence interval (Student's t) over seeds; 0 for one seed."""
    from scipy.stats import t

    n = len(values)
    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)) if n > 1 else 0.0
    return float(np.mean(values)), half


def _cuts(is_anomaly: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cumulative anomalies among the highest scores, at possible thresholds: equal scores are on one side."""
    known = ranked(scores)
    order = np.argsort(-known, kind="stable")
    descending = known[order]
    return np.cumsum(is_anomaly[order]), np.append(descending[1:] != descending[:-1], True)


def _running(is_marked: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.asarray(is_marked, bool))])
