"""Models that Keras 3 saved, against what Keras itself computed with them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

import seqae
from seqae import Ragged, SequenceAutoencoder
from seqae.errors import ModelFileError
from seqae.interop.keras import load_keras
from seqae.model.chains.plan import ChainLayer, ChainPlan
from seqae.sequences.ragged import to_tensors

FIXTURES = Path(__file__).parent / "fixtures" / "keras"
CHAINS = ["repeat_vector_relu", "deep_repeat_vector", "gru_bidirectional", "reshape_decoder", "dense_reshape_decoder"]


def recorded(name: str) -> dict[str, np.ndarray]:
    with np.load(FIXTURES / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def padded(result: Ragged) -> np.ndarray:
    return result.to_padded()[0]


@pytest.mark.parametrize("name", CHAINS)
def test_vectors_and_reconstructions_are_those_of_keras(name: str, tmp_path: Path) -> None:
    wanted, ae = recorded(name), load_keras(FIXTURES / f"{name}.keras")
    np.testing.assert_allclose(ae.transform(wanted["x"]), wanted["z"], atol=1e-5)
    np.testing.assert_allclose(padded(ae.reconstruct(wanted["x"])), wanted["y"], atol=1e-5)
    ae.save(tmp_path / "m.seqae")
    again = seqae.load(tmp_path / "m.seqae")
    np.testing.assert_array_equal(again.transform(wanted["x"]), ae.transform(wanted["x"]))
    np.testing.assert_array_equal(
        padded(again.inverse_transform(wanted["z"], wanted["x"].shape[1])),
        padded(ae.inverse_transform(wanted["z"], wanted["x"].shape[1])),
    )


@pytest.mark.parametrize("name", CHAINS)
def test_training_takes_the_steps_that_keras_takes(name: str) -> None:
    wanted, ae = recorded(name), load_keras(FIXTURES / f"{name}.keras")
    sequences = to_tensors(Ragged.from_any(wanted["x"]))
    target = torch.from_numpy(wanted["target"]).flatten(0, 1)
    optimiser = torch.optim.SGD(ae.model_.parameters(), lr=0.01)
    losses = []
    for _ in range(5):
        optimiser.zero_grad()
        loss = ((ae.model_(sequences).values - target) ** 2).mean()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    np.testing.assert_allclose(losses, wanted["losses"], rtol=1e-4)
    np.testing.assert_allclose(padded(ae.reconstruct(wanted["x"])), wanted["y_trained"], atol=1e-4)


def test_a_decoder_of_states_runs_free() -> None:
    wanted, ae = recorded("seq2seq_state_free_running"), load_keras(FIXTURES / "seq2seq_state_free_running.keras")
    states = ae.transform(wanted["x"])  # h, which is what the encoder puts out, and c
    np.testing.assert_allclose(states[:, :40], wanted["z"], atol=1e-5)
    np.testing.assert_allclose(states, np.concatenate([wanted["z1"], wanted["z2"]], axis=1), atol=1e-5)
    np.testing.assert_allclose(padded(ae.inverse_transform(states, 150)), wanted["y"], atol=1e-5)


def test_sequences_of_other_lengths_are_as_keras_unpadded() -> None:
    wanted = recorded("variable_length_masking")
    chain = (
        ChainLayer(kind="lstm", size=20, returns_steps=False, n_biases=1),
        ChainLayer(kind="repeat"),
        ChainLayer(kind="lstm", size=3, n_biases=1),
    )
    settings = {"architecture": ChainPlan(chain), "latent_size": 20}
    sequences = [x[:n] for x, n in zip(wanted["x"], wanted["lengths"], strict=True)]
    ae = SequenceAutoencoder(**settings, max_epochs=1, scale=False, random_state=0, verbose=False).fit(sequences)
    for k, layer in enumerate((ae.encoder_.links[0].directions[0], ae.decoder_.links[1].directions[0])):
        for name, place in (("weight_ih", 0), ("weight_hh", 1), ("bias_ih", 2)):
            getattr(layer, name).data = torch.from_numpy(wanted[f"w{3 * k + place}"].T.copy())
    np.testing.assert_allclose(ae.transform(sequences), wanted["z"], atol=1e-5)
    for i, result in enumerate(ae.reconstruct(sequences)):
        np.testing.assert_allclose(result, wanted[f"y_unpadded_{i}"], atol=1e-5)


# -- files made here, for what Keras was not asked to record --------------------------------------------------------


def layer(kind: str, **config: object) -> dict[str, object]:
    return {"class_name": kind, "config": config}


def write_sequential(path: Path, layers: list[dict[str, object]], weights: dict[str, np.ndarray]) -> None:
    h5py = pytest.importorskip("h5py")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for place, array in weights.items():
            file[place] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": layers}}))
        archive.writestr("model.weights.h5", buffer.getvalue())


def recurrent_weights(place: str, n_inputs: int, units: int, *, n_gates: int = 4, seed: int = 0) -> dict:
    rng = np.random.default_rng(seed)
    bias_shape = (n_gates * units,) if n_gates == 4 else (2, n_gates * units)
    shapes = ((n_inputs, n_gates * units), (units, n_gates * units), bias_shape)
    return {f"{place}/cell/vars/{k}": rng.normal(0, 0.5, s).astype(np.float32) for k, s in enumerate(shapes)}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def keras_lstm(x: np.ndarray, weights: dict, place: str) -> np.ndarray:
    """Keras' equations, step by step. x: (n_steps, n_inputs). Returns the outputs (n_steps, units)."""
    kernel, recurrent, bias = (weights[f"{place}/cell/vars/{k}"] for k in range(3))
    h = c = np.zeros(len(recurrent))
    outputs = []
    for step in x:
        i, f, g, o = np.split(step @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs)


def sequential() -> tuple[list[dict[str, object]], dict[str, np.ndarray]]:
    """Input, Masking, Bidirectional(LSTM, sum), Dropout, Dense(relu), RepeatVector, Bidirectional(LSTM), Dense."""
    rng = np.random.default_rng(1)
    lstm = {"units": 4, "activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
    last, all_steps = (layer("LSTM", **lstm, return_sequences=flag) for flag in (False, True))
    layers = [
        layer("InputLayer", batch_shape=[None, None, 2]),
        layer("Masking", mask_value=0.0),
        layer("Bidirectional", merge_mode="sum", layer=last),
        layer("Dropout", rate=0.3),
        layer("Dense", units=3, activation="relu", use_bias=True),
        layer("RepeatVector", n=7),
        layer("Bidirectional", merge_mode="concat", layer=all_steps),
        layer("TimeDistributed", layer=layer("Dense", units=2, activation="linear", use_bias=False)),
    ]
    weights: dict[str, np.ndarray] = {}
    for k, (place, n_inputs) in enumerate((("layers/bidirectional", 2), ("layers/bidirectional_1", 3))):
        weights |= recurrent_weights(f"{place}/forward_layer", n_inputs, 4, seed=2 * k)
        weights |= recurrent_weights(f"{place}/backward_layer", n_inputs, 4, seed=2 * k + 1)
    weights["layers/dense/vars/0"] = rng.normal(size=(4, 3)).astype(np.float32)
    weights["layers/dense/vars/1"] = rng.normal(size=3).astype(np.float32)
    weights["layers/time_distributed/layer/vars/0"] = rng.normal(size=(8, 2)).astype(np.float32)
    return layers, weights


def test_a_sequential_model_is_its_equations(tmp_path: Path) -> None:
    layers, weights = sequential()
    write_sequential(tmp_path / "m.keras", layers, weights)
    ae = load_keras(tmp_path / "m.keras")
    x = np.random.default_rng(3).normal(size=(5, 2)).astype(np.float32)
    ahead = keras_lstm(x, weights, "layers/bidirectional/forward_layer")[-1]
    back = keras_lstm(x[::-1], weights, "layers/bidirectional/backward_layer")[-1]
    z = np.maximum((ahead + back) @ weights["layers/dense/vars/0"] + weights["layers/dense/vars/1"], 0)
    np.testing.assert_allclose(ae.transform([x])[0], z, atol=1e-5)
    repeated = np.repeat(z[None], 5, axis=0)
    ahead = keras_lstm(repeated, weights, "layers/bidirectional_1/forward_layer")
    back = keras_lstm(repeated, weights, "layers/bidirectional_1/backward_layer")[::-1]
    y = np.concatenate([ahead, back], axis=1) @ weights["layers/time_distributed/layer/vars/0"]
    np.testing.assert_allclose(ae.reconstruct([x])[0], y, atol=1e-5)


def test_tokens_give_what_the_last_layer_gives(tmp_path: Path) -> None:
    lstm = {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True}
    layers = [
        layer("InputLayer", batch_shape=[None, None]),
        layer("Embedding", input_dim=6, output_dim=3, mask_zero=False),
        layer("LSTM", units=4, return_sequences=False, **lstm),
        layer("RepeatVector", n=5),
        layer("LSTM", units=4, return_sequences=True, **lstm),
        layer("Dense", units=6, activation="softmax", use_bias=True),
    ]
    rng = np.random.default_rng(0)
    weights = {"layers/embedding/vars/0": rng.normal(size=(6, 3)).astype(np.float32)}
    weights |= recurrent_weights("layers/lstm", 3, 4) | recurrent_weights("layers/lstm_1", 4, 4, seed=1)
    weights["layers/dense/vars/0"] = rng.normal(size=(4, 6)).astype(np.float32)
    weights["layers/dense/vars/1"] = rng.normal(size=6).astype(np.float32)
    write_sequential(tmp_path / "m.keras", layers, weights)
    ae = load_keras(tmp_path / "m.keras")
    tokens = np.array([1, 5, 0, 2])
    z = keras_lstm(weights["layers/embedding/vars/0"][tokens], weights, "layers/lstm")[-1]
    hidden = keras_lstm(np.repeat(z[None], 4, axis=0), weights, "layers/lstm_1")
    logits = hidden @ weights["layers/dense/vars/0"] + weights["layers/dense/vars/1"]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    X = Ragged.from_tokens([tokens])
    np.testing.assert_allclose(ae.reconstruct(X)[0], probabilities, atol=1e-5)
    np.testing.assert_allclose(ae.score_samples(X), np.log(probabilities[np.arange(4), tokens]).mean(), atol=1e-5)


def changed(index: int, **config: object) -> list[dict[str, object]]:
    layers = sequential()[0]
    layers[index] = {**layers[index], "config": {**layers[index]["config"], **config}}
    return layers


@pytest.mark.parametrize(
    ("layers", "named"),
    [
        ([*sequential()[0], layer("BatchNormalization", name="norm")], "'norm' is a BatchNormalization"),
        ([*sequential()[0][:3], layer("Lambda", name="code", function="os.system('true')")], "Lambda"),
        (changed(4, activation="exponential", name="bottleneck"), "'bottleneck'.*'exponential'"),
        (changed(2, merge_mode=None, name="both"), "'both'.*merge_mode=None"),
        (changed(4, units=5), "shape"),
        (changed(4, units=10**12), "shape"),
        (changed(4, units="many"), "whole number"),
        (sequential()[0][:5], "no layer makes one vector"),
        ([*sequential()[0][:1], layer("GRU", name="old", units=3, reset_after=False)], "'old'.*reset_after=False"),
        (
            [*sequential()[0][:1], layer("LSTM", name="hard", units=3, recurrent_activation="hard_sigmoid")],
            "'hard'.*recurrent_activation",
        ),
        ([*sequential()[0][:1], layer("LSTM", name="kept", units=3, stateful=True)], "'kept' is stateful"),
        ([layer("LSTM", name="first", units=3)], "its shape is None"),
        ([{"class_name": "LSTM"}], "no autoencoder"),
    ],
)
def test_what_cannot_be_taken_is_named(layers: list, named: str, tmp_path: Path) -> None:
    write_sequential(tmp_path / "m.keras", layers, sequential()[1])
    with pytest.raises(ModelFileError, match=named) as caught:
        load_keras(tmp_path / "m.keras")
    assert "\n" not in str(caught.value)


def test_hostile_and_damaged_files_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "m.keras"
    whole = (FIXTURES / "reshape_decoder.keras").read_bytes()
    for content in (
        b"",
        b"<html>",
        whole[:1000],
        whole[:-200],
        whole[:5000] + bytes([whole[5000] ^ 255]) + whole[5001:],
    ):
        path.write_bytes(content)
        with pytest.raises(ModelFileError):
            load_keras(path)
    with pytest.raises(ModelFileError, match="cannot be opened"):
        load_keras(tmp_path / "absent.keras")
    layers = sequential()[0]
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(48))
    for attack in ("external", "soft", "hollow"):
        buffer = io.BytesIO()
        with h5py.File(buffer, "w") as file:
            if attack == "external":
                file.create_dataset("layers/dense/vars/0", (4, 3), "f4", external=[(str(secret), 0, 48)])
            elif attack == "soft":
                file["layers/dense/vars/0"] = h5py.SoftLink("/elsewhere")
            else:
                file.create_dataset("layers/dense/vars/0", (10**6, 10**6), "f4", chunks=(10, 10))
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps({"class_name": "Sequential", "config": {"layers": layers}}))
            archive.writestr("model.weights.h5", buffer.getvalue())
        with pytest.raises(ModelFileError, match=r"link|do not lie in the file"):
            load_keras(path)


def test_weights_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    layers, weights = sequential()
    weights["layers/dense/vars/1"][1] = np.nan
    write_sequential(tmp_path / "m.keras", layers, weights)
    with pytest.raises(ModelFileError, match="layers/dense/vars/1 hold NaN"):
        load_keras(tmp_path / "m.keras")


def test_on_the_command_line(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from seqae.cli import app

    model = tmp_path / "m.seqae"
    result = CliRunner().invoke(app, ["import", str(FIXTURES / "reshape_decoder.keras"), "-o", str(model)])
    assert result.exit_code == 0, result.output
    assert "20 values" in result.output
    x = recorded("reshape_decoder")["x"]
    ours = seqae.interop.keras.load_keras(FIXTURES / "reshape_decoder.keras")
    np.testing.assert_array_equal(seqae.load(model).transform(x), ours.transform(x))
    info = CliRunner().invoke(app, ["info", str(model)])
    assert "imported" in info.output
    assert "1 layer of 20 lstm units" in info.output
    assert "1 layer of 5 lstm units" in info.output
    assert "ChainLayer(kind='lstm', size=20, returns_steps=False, n_biases=1)" in " ".join(info.output.split())
    refused = CliRunner().invoke(app, ["import", str(FIXTURES / "reshape_decoder.npz"), "-o", str(model)])
    assert refused.exit_code == 2
    assert ".keras file" in refused.output


def test_names_of_weights_that_windows_wrote(tmp_path: Path) -> None:
    source, path = FIXTURES / "reshape_decoder.keras", tmp_path / "windows.keras"
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    renamed = io.BytesIO()
    with h5py.File(io.BytesIO(parts["model.weights.h5"])) as old, h5py.File(renamed, "w") as new:

        def copy(name: str, item: object) -> None:
            if isinstance(item, h5py.Dataset):
                head, _, tail = name.rpartition("/vars/")
                new[f"{head.replace('/', chr(92))}/vars/{tail}"] = item[()]

        old.visititems(copy)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (parts | {"model.weights.h5": renamed.getvalue()}).items():
            archive.writestr(name, data)
    expected, found = (load_keras(file).to_fitted().model.state_dict() for file in (source, path))
    assert all(torch.equal(found[name], expected[name]) for name in expected)
