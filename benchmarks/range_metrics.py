"""Metrics of detection that count whole anomalies: range-based precision and recall, volume under the surface."""

from __future__ import annotations

import numpy as np

from .metrics import ranked, segments

MAX_BUFFER = 100
N_THRESHOLDS = 250


def range_recall(labels: np.ndarray, predicted: np.ndarray, *, existence: float = 0.0) -> float:
    """The mean over anomalies of how much of each is found (Tatbul et al. 2018, 1803.03639); NaN without anomalies.

    A found part counts as its share of the anomaly's steps, divided by the number of predicted segments that it lies
    in. existence: weight, 0..1, of being found at all. labels, predicted: (n_steps,) bool or 0 and 1.
    """
    predicted = np.asarray(predicted, bool)
    rewards = []
    for start, end in segments(labels):
        found = predicted[start:end]
        n_parts = max(len(segments(found)), 1)
        rewards.append(existence * float(found.any()) + (1 - existence) * float(found.mean()) / n_parts)
    return float(np.mean(rewards)) if rewards else float("nan")


def range_precision(labels: np.ndarray, predicted: np.ndarray) -> float:
    """The mean over predicted segments of how much of each is anomalous; see range_recall(). NaN without any."""
    return range_recall(predicted, labels)


def vus_pr(labels: np.ndarray, scores: np.ndarray, *, max_buffer: int = MAX_BUFFER) -> float:
    """Volume under the surface of precision, recall and buffer (Paparrizos et al. 2022, doi 10.14778/3551793.3551830).

    The mean over buffers of 0..max_buffer steps of the average precision of labels that fall off on both sides of each
    anomaly over half a buffer, with recall times the share of anomalies that are found; at 250 thresholds, as in
    TSB-AD (Liu & Paparrizos 2024). labels: (n_steps,); scores: (n_steps,), NaN where unknown. NaN without anomalies.
    """
    is_anomaly = np.asarray(labels, bool)
    events = segments(is_anomaly)
    if not events:
        return float("nan")
    ranking = _Ranking(ranked(scores), is_anomaly)
    return float(np.mean([ranking.area(events, buffer) for buffer in range(max_buffer + 1)]))


class _Ranking:
    """Scores at thresholds that cut off equal numbers of steps. n_predicted, hits: steps and anomalies above each."""

    def __init__(self, scores: np.ndarray, is_anomaly: np.ndarray) -> None:
        descending = -np.sort(-scores)
        self._scores, self._is_anomaly = scores, is_anomaly
        self._cuts = descending[np.linspace(0, len(scores) - 1, N_THRESHOLDS).astype(int)]
        self._first = self._first_cut(scores)
        self.n_predicted, self.hits = _reached(self._first), _reached(self._first[is_anomaly])

    def area(self, events: list[tuple[int, int]], buffer: int) -> float:
        """Average precision at one buffer."""
        around, weights = _slopes(events, self._is_anomaly, buffer)
        soft_hits = _reached(self._first[around], weights)
        wide = _widened(events, buffer // 2, len(self._scores))
        tops = np.array([self._scores[start:end].max() for start, end in wide])
        found = _reached(self._first_cut(tops)) / len(tops)
        n_true = int(self._is_anomaly.sum()) + soft_hits / 2
        recall = np.minimum((self.hits + soft_hits) / n_true, 1) * found
        precision = (self.hits + soft_hits) / self.n_predicted
        return float(np.diff(recall, prepend=0) @ precision)

    def _first_cut(self, scores: np.ndarray) -> np.ndarray:
        """The number of the first threshold that each reaches, N_THRESHOLDS if it reaches none."""
        return np.searchsorted(-self._cuts, -scores, side="left")


def _slopes(events: list[tuple[int, int]], is_anomaly: np.ndarray, buffer: int) -> tuple[np.ndarray, np.ndarray]:
    """Steps beside anomalies, up to half a buffer away, and their labels: sqrt(1 - distance / buffer), 1 at most."""
    soft = np.zeros(len(is_anomaly))
    for start, end in events:
        before, after = np.arange(max(start - buffer // 2, 0), start), np.arange(end, min(end + buffer // 2, len(soft)))
        soft[before] += np.sqrt(1 - (start - before) / max(buffer, 1))
        soft[after] += np.sqrt(1 - (after - end + 1) / max(buffer, 1))
    around = np.flatnonzero((soft > 0) & ~is_anomaly)
    return around, np.minimum(soft[around], 1)


def _widened(events: list[tuple[int, int]], half: int, n_steps: int) -> list[tuple[int, int]]:
    """Events with half a buffer on both sides; those that then touch are one."""
    wide = [(max(events[0][0] - half, 0), min(events[0][1] + half, n_steps))]
    for start, end in events[1:]:
        if start - half <= wide[-1][1] - 1:
            wide[-1] = (wide[-1][0], min(end + half, n_steps))
        else:
            wide.append((start - half, min(end + half, n_steps)))
    return wide


def _reached(first_cut: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """How many steps, or how much weight, lie at or above each threshold. first_cut: of each step."""
    return np.cumsum(np.bincount(first_cut, weights, minlength=N_THRESHOLDS)[:N_THRESHOLDS])
