"""Detector files that someone has edited are refused in one line, before anything is built from them."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from seqae import Ragged
from seqae.detection.conformal import Conformal
from seqae.detection.detector import AnomalyDetector
from seqae.errors import ModelFileError
from seqae.storage.model_file import ModelFile

from .test_detect import autoencoder, broken_wave, detector, wave

TRACES = Ragged.from_tokens([np.arange(5 + k) % 4 for k in range(20)])
MADE: dict[str, Callable[[], AnomalyDetector]] = {
    "windows": lambda: detector(
        score=("error", "nearest", "linear", "mahalanobis", "latent"), autoencoder=autoencoder(max_epochs=1)
    ).fit([wave(300)]),
    "whole": lambda: detector(
        window=None, score="auto", threshold=Conformal(0.2), autoencoder=autoencoder(max_epochs=1)
    ).fit([wave(20, seed) for seed in range(40)]),
    "some channels": lambda: detector(autoencoder=autoencoder(max_epochs=1), scored_channels=[1]).fit([wave(300)]),
    "linear": lambda: detector(baseline="pca", score="latent", threshold=1.5).fit([wave(300)]),
    "tokens": lambda: detector(baseline="ngram", autoencoder=None, window=None).fit(TRACES),
}
_made: dict[str, ModelFile] = {}


def file(name: str) -> ModelFile:
    if name not in _made:
        _made[name] = MADE[name]().to_model_file()
    return replace(_made[name], config=json.loads(json.dumps(_made[name].config)))


@pytest.mark.parametrize("name", MADE)
def test_what_nobody_edited_scores_as_before(name: str) -> None:
    made = AnomalyDetector.from_model_file(file(name))
    again = AnomalyDetector.from_model_file(made.to_model_file())
    X = TRACES[:3] if name == "tokens" else [broken_wave(), wave(20)]
    first, second = (np.asarray(getattr(of.anomaly_score(X), "values", of.anomaly_score(X))) for of in (made, again))
    np.testing.assert_array_equal(first, second)
    assert np.isfinite(first).all()


def edited(config: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(config)
    place = changed
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return changed


EDITS: list[tuple[str, tuple[Any, ...], Any]] = [
    ("windows", ("window",), 21),
    ("windows", ("window",), 1),
    ("windows", ("window",), "20"),
    ("windows", ("window",), None),
    ("windows", ("stride",), 0),
    ("windows", ("stride",), 21),
    ("windows", ("are_tokens",), True),
    ("windows", ("are_tokens",), None),
    ("windows", ("channel_names",), ["a"]),
    ("windows", ("channel_names",), ["a", 1]),
    ("windows", ("channel_names",), []),
    ("windows", ("scored_channels",), [2]),
    ("windows", ("scored_channels",), [0, 0]),
    ("windows", ("scored_channels",), []),
    ("windows", ("limit",), None),
    ("windows", ("limit",), "1"),
    ("windows", ("limit",), float("nan")),
    ("windows", ("limit",), float("inf")),
    ("windows", ("limit_data",), "no hexadecimal"),
    ("windows", ("threshold", "name"), "median"),
    ("windows", ("threshold", "level"), 2.0),
    ("windows", ("threshold",), None),
    ("windows", ("parts",), []),
    ("windows", ("parts", 0, "score"), "density"),
    ("windows", ("parts", 0, "score"), "prediction"),
    ("windows", ("parts", 0, "measure"), "mahalanobis"),
    ("windows", ("parts", 0, "measure"), "density"),
    ("windows", ("parts", 0, "median"), 0.0),
    ("windows", ("parts", 0, "weight"), -1.0),
    ("windows", ("evidence",), []),
    ("windows", ("evidence", 0, "name"), "density"),
    ("windows", ("evidence", 0, "name"), "linear"),
    ("windows", ("evidence", 0, "kinds"), ["latent"]),
    ("windows", ("evidence", 0, "kinds"), ["latent", "reconstruction"]),
    ("windows", ("evidence", 1, "kinds"), ["reconstruction"]),
    ("windows", ("evidence", 2, "kinds"), []),
    ("windows", ("autoencoder",), None),
    ("whole", ("window",), 20),
    ("whole", ("threshold", "false_discovery_rate"), 0),
    ("some channels", ("scored_channels",), None),
    ("some channels", ("scored_channels",), [0, 1]),
    ("linear", ("threshold", "value"), None),
    ("linear", ("window",), 10**9),
    ("tokens", ("are_tokens",), False),
    ("tokens", ("vocabulary",), [1]),
    ("tokens", ("channel_names",), ["a", "b"]),
    ("tokens", ("evidence", 1, "kinds"), ["symbols", "symbols"]),
]


@pytest.mark.parametrize(("name", "path", "value"), EDITS, ids=lambda part: str(part))
def test_a_number_or_name_that_does_not_fit_is_refused(name: str, path: tuple[Any, ...], value: Any) -> None:
    saved = file(name)
    with pytest.raises(ModelFileError, match="does not fit together") as refused:
        AnomalyDetector.from_model_file(replace(saved, config=edited(saved.config, path, value)))
    assert "\n" not in str(refused.value)


def test_a_file_of_another_layout_says_what_to_do() -> None:
    saved = file("linear")
    for layout in (1, 2, None):
        with pytest.raises(ModelFileError, match=r"another version of seqae.*; fit it again"):
            AnomalyDetector.from_model_file(replace(saved, config=saved.config | {"layout": layout}))
    old = {key: value for key, value in saved.config.items() if key != "layout"}
    with pytest.raises(ModelFileError, match="another version of seqae"):
        AnomalyDetector.from_model_file(replace(saved, config=old))


def test_a_long_window_takes_no_memory_before_there_is_data() -> None:
    saved = detector(score="error", autoencoder=autoencoder(max_epochs=1)).fit([wave(300)]).to_model_file()
    made = AnomalyDetector.from_model_file(replace(saved, config=edited(saved.config, ("window",), 10**12)))
    assert made.window_ == 10**12


@pytest.mark.parametrize(
    ("name", "value", "must"),
    [
        ("stride", "3", "a whole number"),
        ("window", "wide", "'auto'|a whole number"),
        ("score", 7, "a text"),
        ("scored_channels", [[0]], "list|text"),
        ("held_out_fraction", None, "a number"),
    ],
)
def test_a_parameter_of_another_type_is_refused(name: str, value: object, must: str) -> None:
    saved = file("some channels")
    changed = edited(saved.config, ("parameters", name), value)
    with pytest.raises(ModelFileError, match=rf"parameters.*({must})"):
        AnomalyDetector.from_model_file(replace(saved, config=changed))


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "one less": lambda array: array[:-1],
    "narrower": lambda array: array[..., :-1],
    "flat": lambda array: array.reshape(-1, 1),
    "as float16": lambda array: array.astype(np.float16),
    "as text": lambda array: np.full(array.shape, b"a"),
    "NaN": lambda array: np.full(array.shape, np.nan, array.dtype if array.dtype.kind == "f" else np.float64),
}
ANY_NUMBER = ("held_out_scores", "stream_scores", "limit.normal")
"""Of these there may be any number."""


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("change", CHANGES)
def test_an_array_of_another_size_or_kind_is_refused(change: str, name: str) -> None:
    saved = file(name)
    for key, array in saved.tensors.items():
        if key.startswith("autoencoder.") or (key in ANY_NUMBER and change in ("one less", "narrower")):
            continue
        tensors = dict(saved.tensors) | {key: np.ascontiguousarray(CHANGES[change](array))}
        if change == "flat" and np.array_equal(tensors[key], array) and tensors[key].shape == array.shape:
            continue
        if change == "NaN" and not array.size:
            continue
        with pytest.raises(ModelFileError, match="does not fit together"):
            AnomalyDetector.from_model_file(replace(saved, tensors=tensors))


@pytest.mark.parametrize("name", MADE)
def test_each_array_is_needed(name: str) -> None:
    saved = file(name)
    for key in saved.tensors:
        without = {other: array for other, array in saved.tensors.items() if other != key}
        with pytest.raises(ModelFileError, match="does not fit together"):
            AnomalyDetector.from_model_file(replace(saved, tensors=without))


@pytest.mark.parametrize(
    ("name", "key"),
    [("windows", "error.usual"), ("windows", "evidence1.model.scale"), ("windows", "evidence2.scale0.usual")],
)
def test_what_is_divided_by_is_above_zero(name: str, key: str) -> None:
    saved = file(name)
    tensors = dict(saved.tensors) | {key: np.zeros_like(saved.tensors[key])}
    with pytest.raises(ModelFileError, match="does not fit together"):
        AnomalyDetector.from_model_file(replace(saved, tensors=tensors))
