"""Anomaly detection on real data, with the linear detector and the measured floors beside.

    python -m benchmarks.detect [--sets ecg5000,power,ucr,asd,smd,smap_msl,adfa,hdfs,names] [--seeds 5]
        [--short 20] [--epochs N]

One setting per set, for all its series. "linear" is AnomalyDetector(baseline="pca"): principal components of the same
windows, scored alike; for tokens, "counting" is AnomalyDetector(baseline="ngram"). Intervals are 95 % over seeds. F1 is
at the detector's own threshold, learnt without labels.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from seqae import SequenceAutoencoder
from seqae.ragged import Ragged
from seqae.recurrence import active_kernel
from seqae.tasks.detect import AnomalyDetector
from seqae.tasks.thresholds import Quantile

from . import detection_sets as sets
from .metrics import Events, auroc, average_precision, best_f1, count_events, f1, interval, is_top_hit

Row = dict[str, float]
Method = Callable[[int], AnomalyDetector]


def methods(epochs: int, *, hidden_size: int = 32, latent_size: int = 8, **detector: Any) -> dict[str, Method]:
    """The default detector, its autoencoder alone, and the linear detector, each for a seed."""

    def made(seed: int, **others: Any) -> AnomalyDetector:
        model = SequenceAutoencoder(
            hidden_size=hidden_size,
            latent_size=latent_size,
            max_epochs=epochs,
            batch_size=32,
            learning_rate=1e-2,
            patience=None,
            verbose=False,
        )
        return AnomalyDetector(model, random_state=seed, verbose=False, **(detector | others))

    return {
        "seqae": made,
        "autoencoder alone": lambda seed: made(seed, score="error"),
        "linear": lambda seed: made(seed, score="error", baseline="pca"),
    }


def ecg5000(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Whole beats; the threshold is the 0.97 quantile of held-out normal beats, of which one in 292 is an outlier."""
    train, test, labels = sets.ecg5000()

    def run(method: Method, seed: int) -> Row:
        detector = method(seed).fit(train)
        scores = detector.anomaly_score(test)
        alarms = scores > detector.threshold_
        return {"AUROC": auroc(labels, scores), "AP": average_precision(labels, scores), "F1": f1(labels, alarms)}

    return _table(methods(epochs or 40, held_out_fraction=0.3, threshold=Quantile(0.97)), seeds, run)


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

    return _table(methods(epochs or 30), seeds, run)


def power_series(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """The year as one series, windows of a week: fitted on its first 16 weeks, scored on the rest."""
    series, labels = sets.power_series()
    split = 16 * 672

    def run(method: Method, seed: int) -> Row:
        detector = method(seed).fit([series[:split]])
        (scores,) = detector.anomaly_score([series[split:]])
        return {"AUROC": auroc(labels[split:], scores), "AP": average_precision(labels[split:], scores)}

    return _table(methods(epochs or 10, window=672, stride=24, held_out_fraction=0.3), seeds, run)


def ucr(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Top-1 within +-100 steps, windows of one period."""
    chosen = sets.ucr(n_shortest)

    def run(method: Method, seed: int) -> Row:
        hits = 0
        for series in chosen:
            detector = method(seed).fit([series.train])
            (scores,) = detector.anomaly_score([series.test])
            hits += is_top_hit(scores, series.start, series.end)
        return {f"hits, of {len(chosen)}": float(hits)}

    settings = {"window": "auto", "stride": 2, "threshold": None, "held_out_fraction": 0.1}
    return _table(methods(epochs or 5, hidden_size=24, **settings), seeds, run)


def telemetry(name: str) -> Callable[..., list[tuple[str, list[Row]]]]:
    """Mean over entities; events by Orion's rule at the threshold, counted over all entities."""

    def benchmark(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
        chosen = sets.entities(name)[:n_shortest]

        def run(method: Method, seed: int) -> Row:
            rows, events = [], Events(0, 0, 0)
            for entity in chosen:
                detector = method(seed).fit([entity.train])
                (scores,) = detector.anomaly_score([entity.test])
                rows.append((auroc(entity.labels, scores), average_precision(entity.labels, scores)))
                events += count_events(entity.labels, scores > detector.threshold_)
            means = np.nanmean(rows, axis=0)
            return {"AUROC": float(means[0]), "AP": float(means[1]), "event F1": events.f1}

        return _table(methods(epochs or 5, window=50, stride=5, threshold="peaks", latent_size=16), seeds, run)

    return benchmark


def adfa(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Traces of system calls, as tokens."""
    return _tokens([sets.adfa()], seeds, epochs or 20)


def hdfs(seeds: Iterable[int], epochs: int | None, n_shortest: int | None) -> list[tuple[str, list[Row]]]:
    """Log sessions, as tokens. Which events a session holds tells nearly all."""
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
    return _table(compared, seeds, run)


BENCHMARKS = {
    "ecg5000": ecg5000,
    "power": power,
    "power_series": power_series,
    "ucr": ucr,
    "asd": telemetry("asd"),
    "smd": telemetry("smd"),
    "smap_msl": telemetry("smap_msl"),
    "adfa": adfa,
    "hdfs": hdfs,
    "names": names,
}


def main() -> None:
    """Run the benchmarks that were asked for, each with its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", default=",".join(BENCHMARKS), help="names between commas")
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds")
    parser.add_argument("--epochs", type=int, help="of every autoencoder; each set has its own default")
    parser.add_argument("--short", type=int, help="only so many series of a set, the shortest ones of UCR")
    arguments = parser.parse_args()
    console = Console()
    if not sets.DATA.is_dir():
        console.print(f"no data: {sets.DATA} is not there; the detection benchmarks need it", soft_wrap=True)
        return
    for name in arguments.sets.split(","):
        if name not in BENCHMARKS:
            parser.error(f"--sets knows {', '.join(BENCHMARKS)}, not {name!r}")
        _show(console, name, BENCHMARKS[name](range(arguments.seeds), arguments.epochs, arguments.short))


def _table(
    made: dict[str, Method], seeds: Iterable[int], run: Callable[[Method, int], Row]
) -> list[tuple[str, list[Row]]]:
    """One row per method, with one result per seed, its seconds included."""
    rows = []
    for name, method in made.items():
        results = []
        for seed in seeds:
            started = time.perf_counter()
            results.append(run(method, seed) | {"seconds": time.perf_counter() - started})
            print(name, {key: round(number, 4) for key, number in results[-1].items()}, file=sys.stderr, flush=True)
        rows.append((name, results))
    return rows


def _show(console: Console, name: str, rows: list[tuple[str, list[Row]]]) -> None:
    names = list(rows[0][1][0])
    n_seeds = len(rows[0][1])
    table = Table("detector", *names, title=f"{name} ({n_seeds} seeds, kernel {active_kernel()})", title_justify="left")
    for column in table.columns:
        column.no_wrap = True
    for method, results in rows:
        cells = [interval([result[metric] for result in results]) for metric in names]
        table.add_row(method, *(f"{mean:.3f} ±{half:.3f}" for mean, half in cells))
    console.print(table)
    best = {method: np.mean([result[names[0]] for result in results]) for method, results in rows}
    if "linear" in best and best["linear"] >= best["seqae"]:
        console.print("Here the linear detector is the better choice: AnomalyDetector(baseline='pca').", style="yellow")
    if "counting" in best and best["counting"] >= best["seqae"]:
        console.print("Here counting is the better choice: AnomalyDetector(baseline='ngram').", style="yellow")
    console.print(f"Beside it: {sets.FLOORS[name.removesuffix('_series')]}\n", soft_wrap=True)


if __name__ == "__main__":
    main()
