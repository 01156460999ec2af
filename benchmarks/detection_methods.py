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


def methods(epochs: int, *, hidden_size: int = 32, latent_size: int = 8, **detector: Any) -> dict[str, Method]:
    """The default detector, its autoencoder alone, and the linear detector, each for a seed."""

    def made(seed: int, **others: Any) -> AnomalyDetector:
        model = _autoencoder("repeat", epochs, hidden_size, latent_size)
        return AnomalyDetector(model, random_state=seed, verbose=False, **(detector | others))

    return {
        "seqae": made,
        "autoencoder alone": lambda seed: made(seed, score="error"),
        "linear": lambda seed: made(seed, score="error", baseline="pca"),
    }


def predicting(epochs: int, *, hidden_size: int = 32, latent_size: int = 8, **detector: Any) -> dict[str, Method]:
    """A composite autoencoder that predicts the steps before and after (AER, Wong et al. 2022), scored by these."""
    composite = Architecture(training=TrainingPlan(task=Composite(after=1, before=1)))

    def made(seed: int) -> AnomalyDetector:
        model = _autoencoder(composite, epochs, hidden_size, latent_size)
        return AnomalyDetector(model, score="prediction", random_state=seed, verbose=False, **detector)

    return {"composite, prediction": made}


def _autoencoder(architecture: str | Architecture, epochs: int, hidden: int, latent: int) -> SequenceAutoencoder:
    return SequenceAutoencoder(
        architecture,
        hidden_size=hidden,
        latent_size=latent,
        max_epochs=epochs,
        batch_size=32,
        learning_rate=1e-2,
        patience=None,
        verbose=False,
    )


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
