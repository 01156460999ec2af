"""Detector files that someone has edited: each is refused in one line, or works."""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seqae import Ragged
from seqae.detection.detector import AnomalyDetector
from seqae.errors import ModelFileError, SeqaeError
from seqae.storage.model_file import ModelFile

from .test_detect import WINDOW, autoencoder, broken_wave, detector, wave

TRACES = Ragged.from_tokens([np.arange(5 + k) % 4 for k in range(20)])
MADE: dict[str, Callable[[], AnomalyDetector]] = {
    "windows": lambda: detector(
        score=("error", "nearest", "linear", "mahalanobis", "latent"), autoencoder=autoencoder(max_epochs=1)
    ).fit([wave(300)]),
    "whole": lambda: detector(
        window=None, score="auto", threshold="conformal", autoencoder=autoencoder(max_epochs=1)
    ).fit([wave(20, seed) for seed in range(40)]),
    "some channels": lambda: detector(autoencoder=autoencoder(max_epochs=1), scored_channels=[1]).fit([wave(300)]),
    "linear": lambda: detector(baseline="pca", score="latent", threshold=1.5).fit([wave(300)]),
    "tokens": lambda: detector(baseline="ngram", autoencoder=None, window=None).fit(TRACES),
}


@pytest.fixture(scope="module", params=MADE)
def file(request: pytest.FixtureRequest) -> ModelFile:
    return MADE[request.param]().to_model_file()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, part in items:
        yield from places(part, (*path, key))


def edited(config: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(config)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


def judged(file: ModelFile) -> bool:
    """Whether the detector is taken; then it judges, or says in one line why it cannot."""
    try:
        made = AnomalyDetector.from_model_file(file)
    except ModelFileError:
        return False
    series = TRACES[:3] if made.scorer_.reads_tokens else [broken_wave()[:WINDOW], wave(WINDOW, 8)]
    with contextlib.suppress(SeqaeError):
        found = made.detect(series)
        found.to_columns("step")
        found.to_columns("sequence")
        assert np.isfinite(found.scores.values).all()
    return True


@pytest.mark.parametrize("value", [None, -5, 10**9, "x", [], {}, 0.5, float("nan"), ["x"], True])
def test_an_edited_number_or_name_is_refused_or_harmless(value: Any, file: ModelFile) -> None:
    config = json.loads(json.dumps(file.config))
    assert judged(replace(file, config=config))
    n_refused = 0
    for path in places(config):
        if path[0] not in ("autoencoder", "parameters"):
            n_refused += not judged(replace(file, config=edited(config, path, value)))
    assert n_refused > 10


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "none": lambda array: array[:0],
    "one less": lambda array: array[:-1],
    "narrower": lambda array: array[..., :-1],
    "flat": lambda array: array.reshape(-1, 1),
    "as float16": lambda array: array.astype(np.float16),
    "as text": lambda array: np.full(array.shape, b"a"),
    "NaN": lambda array: np.full(array.shape, np.nan, array.dtype if array.dtype.kind == "f" else np.float64),
    "less than nothing": lambda array: (-1 - np.abs(array.astype(np.float64))).astype(array.dtype),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_edited_array_is_refused_or_harmless(change: str, file: ModelFile) -> None:
    n_refused = 0
    for name, array in file.tensors.items():
        if not name.startswith("autoencoder."):
            tensors = dict(file.tensors) | {name: np.ascontiguousarray(CHANGES[change](array))}
            n_refused += not judged(replace(file, tensors=tensors))
    assert n_refused > 3


def test_each_array_is_needed(file: ModelFile) -> None:
    for name in file.tensors:
        if name not in ("channels.typical", "judge.learnt_from") and "ngram.keys" not in name:
            assert not judged(replace(file, tensors={k: array for k, array in file.tensors.items() if k != name})), name
