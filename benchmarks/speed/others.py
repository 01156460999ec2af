"""Optional peers: Keras on TensorFlow and on JAX, and sequitur.

Keras has one backend per process, so each runs in its own process and measures its own seconds.
"""

from __future__ import annotations

import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch

BACKENDS = {"tensorflow": "Keras on TensorFlow", "jax": "Keras on JAX"}
SEQUITUR_SEQUENCES = 32


def keras_backends() -> tuple[str, ...]:
    """The backends that Keras can run on here."""
    return tuple(name for name in BACKENDS if find_spec("keras") and find_spec(name))


@contextmanager
def keras_epochs(backend: str, x: np.ndarray, hidden_size: int, batch_size: int) -> Iterator[Callable[[], float]]:
    """A function that trains one epoch and returns its seconds; compiled beforehand. x: (n, n_steps, n_channels)."""
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, initializer=_choose_backend, initargs=(backend,)) as process:
        train = partial(_keras_epoch, x.shape, hidden_size, batch_size)
        process.submit(train).result()
        yield lambda: process.submit(train).result()


def sequitur_epoch(sequences: list[np.ndarray], hidden_size: int) -> float:
    """Seconds of an epoch of sequitur's LSTM_AE, which trains one sequence at a time; scaled up from a few sequences.

    Its smallest encoder has two layers, (channels -> hidden_size -> hidden_size).
    """
    from sequitur.models import LSTM_AE
    from sequitur.quick_train import train_model

    some = [torch.from_numpy(x) for x in sequences[:SEQUITUR_SEQUENCES]]
    model = LSTM_AE(some[0].shape[1], hidden_size, h_dims=[hidden_size])
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it uses deprecated calls of torch
        train_model(model, some, False, 1e-3, 1, False)
    return (time.perf_counter() - started) * len(sequences) / len(some)


def _choose_backend(backend: str) -> None:
    os.environ["KERAS_BACKEND"] = backend


def _keras_epoch(shape: tuple[int, int, int], hidden_size: int, batch_size: int) -> float:
    x, model = _keras_model(shape, hidden_size)
    started = time.perf_counter()
    model.fit(x, x, batch_size=batch_size, epochs=1, verbose=0)
    return time.perf_counter() - started


@cache
def _keras_model(shape: tuple[int, int, int], hidden_size: int) -> tuple[np.ndarray, Any]:
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input(shape[1:]),
            layers.LSTM(hidden_size),
            layers.RepeatVector(shape[1]),
            layers.LSTM(hidden_size, return_sequences=True),
            layers.TimeDistributed(layers.Dense(shape[2])),
        ]
    )
    model.compile(keras.optimizers.Adam(clipnorm=1.0), "mse")
    return np.random.default_rng(0).normal(size=shape).astype(np.float32), model
