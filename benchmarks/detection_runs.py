"""The measurements on each set. All detectors run with their defaults: nothing is set for a set."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from seqae.detection.detector import AnomalyDetector
from seqae.sequences.ragged import Ragged

from . import detection_sets as sets
from .detection_methods import Method, Row, counting, methods, predicting, table
from .discord import Discord, is_installed
from .metrics import Events, auroc, average_precision, best_f1, count_events, f1, is_top_hit
from .range_metrics import range_precision, range_recall, vus_pr

Benchmark = Callable[[Iterable[int], int | None], list[tuple[str, list[Row]]]]
"""Takes seeds, and how many series or None. Returns the rows of a table."""


def ecg5000(seeds: Iterable[int], n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Whole beats."""
    train, test, labels = sets.ecg5000()

    def run(method: Method, seed: int) -> Row:
        detector = method(seed).fit(train)
        scores = detector.anomaly_score(test)
        alarms = scores > detector.threshold_
        return {"AUROC": auroc(labels, scores), "AP": average_precision(labels, scores), "F1": f1(labels, alarms)}

    return table(methods(), seeds, run)


def power(seeds: Iterable[int], n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Weeks: trained on half of the normal ones. "above" counts the holiday weeks above every unseen normal week."""
    weeks, is_holiday = sets.power_weeks()

    def run(method: Method, seed: int) -> Row:
        normal = np.random.default_rng(seed).permutation(np.flatnonzero(~is_holiday))
        known, unseen = normal[: len(normal) * 7 // 10], normal[len(normal) * 7 // 10 :]
        detector = method(seed).fit(weeks[known])
        scores = detector.anomaly_score(weeks[np.concatenate([unseen, np.flatnonzero(is_holiday)])])
        n_above = float(np.sum(scores[len(unseen) :] > scores[: len(unseen)].max()))
        labels = np.arange(len(scores)) >= len(unseen)
        return {"above, of 6": n_above, "AUROC": auroc(labels, scores)}

    return table(methods(), seeds, run)


def power_series(seeds: Iterable[int], n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """The year as one series: fitted on its first 16 weeks, scored on the rest."""
    series, labels = sets.power_series()
    split = 16 * 672

    def run(method: Method, seed: int) -> Row:
        detector = method(seed).fit([series[:split]])
        scores = detector.anomaly_score([series[split:]]).values[:, 0]
        return {"AUROC": auroc(labels[split:], scores), "AP": average_precision(labels[split:], scores)}

    return table(methods(), seeds, run)


def ucr(seeds: Iterable[int], n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Top-1 within +-100 steps. Discord search needs stumpy, and is left out without it."""
    chosen = sets.ucr(n_shortest)

    def run(method: Method, seed: int) -> Row:
        hits = [_is_hit(method(seed), series) for series in chosen]
        return {f"hits, of {len(hits)}": sum(hits), "even ones": sum(hits[::2]), "odd ones": sum(hits[1::2])}

    rows = table(methods(), seeds, run)
    peers: dict[str, Method] = {"discord search": lambda seed: Discord()} if is_installed() else {}
    return rows + table(peers, range(1), run)


def _is_hit(method: AnomalyDetector | Discord, series: sets.UcrSeries) -> float:
    (steps,) = method.fit([series.train]).anomaly_score([series.test])
    scores = steps.reshape(-1)
    return float(is_top_hit(scores, series.start, series.end))


def servers(name: str) -> Benchmark:
    """All channels of each machine."""
    return _telemetry(name, methods())


def spacecraft(name: str) -> Benchmark:
    """The telemetry channel alone, as Orion takes it: the others are commands."""
    return _telemetry(name, methods() | predicting())


def _telemetry(name: str, compared: dict[str, Method]) -> Benchmark:
    """Mean over entities; events by Orion's rule, counted over all entities."""

    def benchmark(seeds: Iterable[int], n_shortest: int | None) -> list[tuple[str, list[Row]]]:
        chosen = sets.entities(name)[:n_shortest]

        def run(method: Method, seed: int) -> Row:
            rows, events = [], Events(0, 0, 0)
            for entity in chosen:
                found = method(seed).fit([entity.train]).detect([entity.test])
                scores = found.scores.values[:, 0]
                measures = (auroc, average_precision, vus_pr)
                marked = (range_precision, range_recall)
                ranges = [measure(entity.labels, found.is_anomaly) for measure in marked]
                rows.append([*(measure(entity.labels, scores) for measure in measures), *ranges])
                events += count_events(entity.labels, found.is_anomaly)
            names = ("AUROC", "AP", "VUS-PR", "range precision", "range recall")
            means = dict(zip(names, np.nanmean(rows, axis=0).tolist(), strict=True))
            return {"event F1": events.f1, **means}

        return table(compared, seeds, run)

    return benchmark


def adfa(seeds: Iterable[int], n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Traces of system calls, as tokens."""
    return _tokens([sets.adfa()], seeds)


def hdfs(seeds: Iterable[int], n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Log sessions, as tokens. The set of events in a session identifies nearly all anomalies."""
    return _tokens([sets.hdfs()], seeds)


def names(seeds: Iterable[int], n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Family names of one language against those of all others; the mean over six languages."""
    return _tokens([sets.names(language) for language in sets.LANGUAGES[:n_shortest]], seeds)


def _tokens(chosen: list[sets.Tokens], seeds: Iterable[int]) -> list[tuple[str, list[Row]]]:
    """Whole sequences; the mean over the chosen sets."""

    def run(method: Method, seed: int) -> Row:
        rows = []
        for train, test, labels in chosen:
            scores = method(seed).fit(Ragged.from_tokens(train)).anomaly_score(Ragged.from_tokens(test))
            rows.append((auroc(labels, scores), average_precision(labels, scores), best_f1(labels, scores)))
        return dict(zip(("AUROC", "AP", "best F1"), np.mean(rows, axis=0).tolist(), strict=True))

    return table(counting(), seeds, run)
