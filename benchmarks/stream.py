"""Cost of streaming: a step of one stream beside encoding and decoding its window, and 10,000 streams at once.

64 units, 32 values, windows of 100 steps of 4 channels; medians.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table
from sklearn.frozen import FrozenEstimator

from seqae import AnomalyDetector, Ragged, SequenceAutoencoder, Stream
from seqae.model.autoencoder import Autoencoder

from .speed.machine import matrix_rate

WINDOW, N_CHANNELS, HIDDEN_SIZE, LATENT_SIZE = 100, 4, 64, 32
N_STREAMS = 10_000


def main() -> None:
    """Print both tables."""
    rng = np.random.default_rng(0)
    waves = np.sin(np.arange(3000)[:, None] * np.linspace(0.05, 0.3, N_CHANNELS))
    series = (waves + 0.1 * rng.normal(size=waves.shape)).astype(np.float32)
    settings: dict[str, Any] = {"latent_size": LATENT_SIZE, "hidden_size": HIDDEN_SIZE, "max_epochs": 1}
    ae = SequenceAutoencoder(**settings, random_state=0, verbose=False)
    ae.fit(Ragged.from_any([series[:1500]]).windows(WINDOW))
    one = Table("score", "one step, ms", "its window through reconstruct(), ms", "ratio")
    many = Table("score", f"{N_STREAMS:,} streams, ms a step", "of the matrix rate")
    rate = matrix_rate()
    for score in ("error", "auto"):
        detector = AnomalyDetector(FrozenEstimator(ae), window=WINDOW, score=score, random_state=0).fit([series[1500:]])
        step, whole = _one_stream(detector, ae, series)
        one.add_row(score, f"{step * 1e3:.2f}", f"{whole * 1e3:.2f}", f"{step / whole:.2f}")
        seconds = _many_streams(detector, series)
        share = _operations(ae.model_) / seconds / rate
        many.add_row(score, f"{seconds * 1e3:.0f}", f"{share:.0%}")
    Console().print(one, many)


def _one_stream(detector: AnomalyDetector, ae: SequenceAutoencoder, series: np.ndarray) -> tuple[float, float]:
    """Seconds of push(), and of reconstruct() of one window."""
    stream, window = Stream(detector), [series[:WINDOW]]
    for row in series[:WINDOW]:
        stream.push(row)
    steps = iter(series[WINDOW:])
    whole = _median(lambda: ae.reconstruct(window), 500)
    return _median(lambda: stream.push(next(steps)), 500), whole


def _many_streams(detector: AnomalyDetector, series: np.ndarray) -> float:
    """Seconds of push() of a step of every stream."""
    stream = Stream(detector, n_streams=N_STREAMS)
    steps = iter(series)
    for _ in range(WINDOW - 1):
        stream.push(np.broadcast_to(next(steps), (N_STREAMS, N_CHANNELS)))
    return _median(lambda: stream.push(np.broadcast_to(next(steps), (N_STREAMS, N_CHANNELS))), 5)


def _operations(model: Autoencoder) -> float:
    """Floating-point operations of encoding and decoding a window of every stream: two for each recurrent weight."""
    n_weights = 0
    for name, weight in model.named_parameters():
        is_constant_input = name.startswith("decoder") and name.endswith("weight_ih")  # once a window, not every step
        n_weights += 0 if weight.ndim < 2 or is_constant_input or "length" in name else weight.numel()
    return 2.0 * n_weights * WINDOW * N_STREAMS


def _median(call: Callable[[], object], n_calls: int) -> float:
    call()
    seconds = []
    for _ in range(n_calls):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return median(seconds)


if __name__ == "__main__":
    typer.run(main)
