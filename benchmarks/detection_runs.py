"""The measurements on each set, with one setting for all its series."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from seqae import SequenceAutoencoder
from seqae.detection.detector import AnomalyDetector
from seqae.detection.thresholds import Quantile
from seqae.sequences.ragged import Ragged

from . import detection_sets as sets
from .detection_methods import Method, Row, methods, predicting, table
from .discord import Discord, is_installed
from .metrics import Events, auroc, average_precision, best_f1, count_events, f1, is_top_hit
from .range_metrics import range_precision, range_recall, vus_pr

Benchmark = Callable[[Iterable[int], int | None, int | None], list[tuple[str, list[Row]]]]
"""Takes seeds, the epochs of every autoencoder or None, and how many series or None. Returns the rows of a table."""


def ecg5000(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Whole beats; the threshold is the 0.97 quantile of held-out normal beats, of which one in 292 is an outlier."""
    train, test, labels = sets.ecg5000()

    def run(method: Method, seed: int) -> Row:
        detector = method(seed).fit(train)
        scores = detector.anomaly_score(test)
        alarms = scores > detector.threshold_
        return {"AUROC": auroc(labels, scores), "AP": average_precision(labels, scores), "F1": f1(labels, alarms)}

    return table(methods(epochs or 40, held_out_fraction=0.3, threshold=Quantile(0.97)), seeds, run)


def power(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
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

    return table(methods(epochs or 30), seeds, run)


def power_series(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """The year as one series, windows of a week: fitted on its first 16 weeks, scored on the rest."""
    series, labels = sets.power_series()
    split = 16 * 672

    def run(method: Method, seed: int) -> Row:
        detector = method(seed).fit([series[:split]])
        scores = detector.anomaly_score([series[split:]]).values[:, 0]
        return {"AUROC": auroc(labels[split:], scores), "AP": average_precision(labels[split:], scores)}

    return table(methods(epochs or 10, window=672, stride=24, held_out_fraction=0.3), seeds, run)


def ucr(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Top-1 within +-100 steps, windows of one period. Discord search needs stumpy, and is left out without it."""
    chosen = sets.ucr(n_shortest)

    def run(method: Method, seed: int) -> Row:
        hits = [_is_hit(method(seed), series) for series in chosen]
        return {f"hits, of {len(hits)}": sum(hits), "even ones": sum(hits[::2]), "odd ones": sum(hits[1::2])}

    settings = {"window": "auto", "stride": 2, "threshold": None, "held_out_fraction": 0.1}
    rows = table(methods(epochs or 5, hidden_size=24, **settings), seeds, run)
    peers: dict[str, Method] = {"discord search": lambda seed: Discord()} if is_installed() else {}
    return rows + table(peers, range(1), run)


def _is_hit(method: AnomalyDetector | Discord, series: sets.UcrSeries) -> float:
    (steps,) = method.fit([series.train]).anomaly_score([series.test])
    scores = steps.reshape(-1)
    return float(is_top_hit(scores, series.start, series.end))


def servers(name: str) -> Benchmark:
    """All channels of each machine; intervals from the tail of held-out scores."""
    return _telemetry(name, window=50, stride=5, threshold="peaks", latent_size=16)


def spacecraft(name: str) -> Benchmark:
    """The telemetry channel alone, as Orion takes it: the others are commands. Intervals by Orion's moving limits."""
    return _telemetry(name, is_predicting=True, epochs=10, window=100, stride=2, threshold="dynamic")


def _telemetry(name: str, *, is_predicting: bool = False, epochs: int = 5, **settings: Any) -> Benchmark:
    """Mean over entities; events by Orion's rule, counted over all entities."""
    usual = epochs

    def benchmark(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
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

        made = methods(epochs or usual, **settings)
        return table(made | predicting(epochs or usual, **settings) if is_predicting else made, seeds, run)

    return benchmark


def adfa(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Traces of system calls, as tokens."""
    return _tokens([sets.adfa()], seeds, epochs or 20)


def hdfs(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Log sessions, as tokens. The set of events in a session identifies nearly all anomalies."""
    return _tokens([sets.hdfs()], seeds, epochs or 5)


def names(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Family names of one language against those of all others; the mean over six languages."""
    return _tokens([sets.names(language) for language in sets.LANGUAGES[:n_shortest]], seeds, epochs or 5)


def _tokens(chosen: list[sets.Tokens], seeds: Iterable[int], epochs: int) -> list[tuple[str, list[Row]]]:
    """The default detector, its autoencoder alone, and counting without an autoencoder, for whole sequences; the mean
    over the chosen sets.
    """

    def made(seed: int, **others: Any) -> AnomalyDetector:
        model = SequenceAutoencoder(
            "tokens",
            loss="cross_entropy",
            hidden_size=64,
            latent_size=8,
            max_epochs=epochs,
            batch_size=8,
            learning_rate=3e-3,
            patience=None,
            verbose=False,
        )
        return AnomalyDetector(model, random_state=seed, verbose=False, **others)

    def run(method: Method, seed: int) -> Row:
        rows = []
        for train, test, labels in chosen:
            scores = method(seed).fit(Ragged.from_tokens(train)).anomaly_score(Ragged.from_tokens(test))
            rows.append((auroc(labels, scores), average_precision(labels, scores), best_f1(labels, scores)))
        return dict(zip(("AUROC", "AP", "best F1"), np.mean(rows, axis=0).tolist(), strict=True))

    compared: dict[str, Method] = {
        "seqae": made,
        "autoencoder alone": lambda seed: made(seed, score="error"),
        "counting": lambda seed: made(seed, baseline="ngram"),
        "n-grams alone": lambda seed: made(seed, baseline="ngram", score="error"),
    }
    return table(compared, seeds, run)
