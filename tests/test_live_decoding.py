"""The decoder in JavaScript writes what inverse_transform() writes, in every preset; node runs it."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from seqae import Ragged, SequenceAutoencoder
from seqae.interop.keras import load_keras
from seqae.model.architecture import EncoderPlan, FreeRunning, InitialState, Repeat, Symbols, Values
from seqae.model.presets import PRESETS, Architecture
from seqae.report.decoding import Decoding, decoding_of

from .conftest import make_waves

NODE = shutil.which("node")
SCRIPT = """
const seqaeDecoder = require(process.argv[1]);
const { told, arrays, vectors, lengths } = JSON.parse(require("fs").readFileSync(0, "utf8"));
for (const array of Object.values(arrays)) array.values = Float32Array.from(array.values);
const decoder = seqaeDecoder(told, arrays);
const decoded = vectors.map((vector, i) => Array.from(decoder.decode(Float64Array.from(vector), lengths[i])));
const told_lengths = vectors.map((vector) => decoder.lengthOf(Float64Array.from(vector)));
console.log(JSON.stringify({ decoded, told_lengths }));
"""
needs_node = pytest.mark.skipif(NODE is None, reason="node, which runs JavaScript, is not installed")


def run(decoding: Decoding, vectors: np.ndarray, lengths: np.ndarray) -> tuple[list[np.ndarray], list[int | None]]:
    """What decoder.js writes for each vector, flat, and the lengths that it tells."""
    arrays = {name: {"values": a.ravel().tolist(), "shape": a.shape} for name, a in decoding.arrays.items()}
    given = {"told": decoding.told, "arrays": arrays, "vectors": vectors.tolist(), "lengths": lengths.tolist()}
    with resources.as_file(resources.files("seqae.report") / "page" / "decoder.js") as path:
        command = [str(NODE), "-e", SCRIPT, str(path)]
        result = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    return [np.array(part) for part in told["decoded"]], told["told_lengths"]


def check(model: SequenceAutoencoder, X: object) -> None:
    """Vectors of data, and others, decode alike; weights are far from those that training starts from."""
    vectors = model.transform(X)
    vectors = np.concatenate([vectors[:4], 1.5 * vectors[:2] - vectors[2:4]]).astype(np.float32)
    lengths = model.lengths_of(vectors) if model.model_.length_head is not None else np.full(6, 12)
    lengths = np.full(6, model.shape_.n_steps) if decoding_of(model).told["n_steps"] else lengths
    wanted = model.inverse_transform(vectors, lengths)
    decoded, told_lengths = run(decoding_of(model), vectors, lengths)
    for own, other in zip(decoded, wanted, strict=True):
        if wanted.is_tokens:
            assert_array_equal(own, other)
        else:
            scaled = (own.reshape(other.shape) - other) / model.scaling_.scale
            largest = np.abs(model.scaling_.forward(other)).max()
            assert_allclose(scaled, 0, atol=1e-5 * max(1.0, float(largest)))
    if told_lengths[0] is not None:
        assert_array_equal(told_lengths, lengths)


def fitted(architecture: object, X: object, **given: object) -> SequenceAutoencoder:
    settings = {"latent_size": 12, "hidden_size": 10, "max_epochs": 2, "random_state": 0, "verbose": False} | given
    return SequenceAutoencoder(architecture, **settings).fit(X)  # pyright: ignore[reportArgumentType]


EVEN = ("reshape", "dense_reshape")
OWN = {"stacked": {"hidden_size": None}, "linear": {"hidden_size": None}, "dense_reshape": {"hidden_size": None}}


def words(n: int) -> Ragged:
    rng = np.random.default_rng(0)
    return Ragged.from_tokens([rng.integers(0, 5, length) for length in rng.integers(2, 9, n)])


@needs_node
@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("name", [name for name in PRESETS if name != "linear"])
def test_every_preset(name: str, cell: str) -> None:
    plan: object = PRESETS[name]
    data: object = words(30) if name.endswith("tokens") else make_waves(30, seed=0)
    if name in EVEN:
        data = make_waves(30, seed=0, shortest=6, longest=6)
    if name == "hybrid":
        hybrid = PRESETS["hybrid"]
        plan = replace(hybrid, residual=replace(hybrid.residual, fewest_sequences=0))  # pyright: ignore
    own = OWN.get(name, {}) | {"cell": cell} | ({"validation_fraction": 0.0} if name == "hybrid" else {})
    check(fitted(plan, data, **own), data)


@needs_node
def test_a_closed_form_alone() -> None:
    check(fitted("linear", make_waves(30, seed=0), hidden_size=None), make_waves(30, seed=0))
    steps = [np.ones((1, 2)) * k for k in range(9)]
    check(fitted("linear", steps, hidden_size=None, latent_size=4), steps)


@needs_node
@pytest.mark.parametrize(
    "plan",
    [
        Architecture(activation="relu"),
        Architecture(decoder=Repeat(readout="none", is_reversed=True)),
        Architecture(decoder=InitialState(fills="first")),
        Architecture(encoder=EncoderPlan(steps=Values(strides=(2, 3)))),
        Architecture(encoder=EncoderPlan(steps=Symbols(embedding_size=4))),
        replace(PRESETS["tokens"], decoder=replace(PRESETS["tokens"].decoder, is_reversed=True)),  # pyright: ignore
        replace(
            PRESETS["seq2seq"], decoder=replace(PRESETS["seq2seq"].decoder, feedback=FreeRunning(), readout="none")
        ),  # pyright: ignore
    ],
    ids=["relu", "reversed", "first state", "strides", "unfed symbols", "reversed symbols", "free, no readout"],
)
def test_other_architectures(plan: Architecture) -> None:
    data = words(30) if plan.takes_symbols else make_waves(30, seed=0)
    check(fitted(plan, data, n_layers=None if "n_layers" in plan.own_sizes else 2), data)


@needs_node
def test_probabilities_and_small_spreads_on_large_means() -> None:
    data = [1 / (1 + np.exp(-wave)) for wave in make_waves(30, seed=0)]
    check(fitted("repeat", data, loss="bce"), data)
    far = [1e9 + 1e-3 * wave for wave in make_waves(30, seed=0)]
    check(fitted("repeat", far), far)


def test_what_pages_do_not_run_is_said() -> None:
    matrices = [np.random.default_rng(k).normal(size=(5, 6)) for k in range(8)]
    plan = Architecture(encoder=EncoderPlan(steps=Values(matrix_shape=(2, 3))))
    assert "matrices" in decoding_of(fitted(plan, matrices)).problem
    keras = Path(__file__).parent / "fixtures" / "keras" / "gru_bidirectional.keras"
    assert "imported" in decoding_of(load_keras(keras)).problem
