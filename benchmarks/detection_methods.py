"""The detectors of the benchmarks, and one run of each for every seed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

from seqae import SequenceAutoencoder
from seqae.detection.detector import AnomalyDetector
from seqae.model.architecture import Architecture, Composite, TrainingPlan

Row = dict[str, float]
Method = Callable[[int], Any]
"""Takes a seed, returns a detector with fit() and anomaly_score()."""


def methods() -> dict[str, Method]:
    """The default detector, with a recurrent autoencoder in place of its own, and the linear detector."""
    return {
        "seqae": made,
        "recurrent": lambda seed: made(seed, SequenceAutoencoder("repeat", verbose=False)),
        "linear": lambda seed: made(seed, baseline="pca"),
    }


def predicting() -> dict[str, Method]:
    """A composite autoencoder that predicts the steps before and after (AER, Wong et al. 2022), scored by these."""
    composite = Architecture(training=TrainingPlan(task=Composite(after=1, before=1)))
    model = SequenceAutoencoder(composite, verbose=False)
    return {"composite, prediction": lambda seed: made(seed, model, score="prediction")}


def counting() -> dict[str, Method]:
    """Detectors of tokens: the default one, its autoencoder alone, and counting without an autoencoder."""
    return {
        "seqae": made,
        "autoencoder alone": lambda seed: made(seed, score="error"),
        "counting": lambda seed: made(seed, baseline="ngram"),
        "n-grams alone": lambda seed: made(seed, baseline="ngram", score="error"),
    }


def made(seed: int, autoencoder: SequenceAutoencoder | None = None, **settings: Any) -> AnomalyDetector:
    """A detector with its defaults, but for these settings."""
    return AnomalyDetector(autoencoder, random_state=seed, verbose=False, **settings)


def table(
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
