"""Graphs of Keras models: which way the data takes, and what is refused, by the name of the layer."""

from __future__ import annotations

import copy
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqae.errors import ModelFileError
from seqae.interop.keras import load_keras

FIXTURES = Path(__file__).parent / "fixtures" / "keras" / "kinds"
Layers = dict[str, dict[str, Any]]


def rewritten(name: str, change: Callable[[Layers], None], path: Path) -> Path:
    """A recorded Functional model with another configuration. change: is given the layers by name."""
    with zipfile.ZipFile(FIXTURES / f"{name}.keras") as archive:
        parts = {member: archive.read(member) for member in archive.namelist()}
    config = json.loads(parts["config.json"])
    layers = {item["name"]: item for item in config["config"]["layers"]}
    layers["model"] = config
    change(layers)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", parts["model.weights.h5"])
    return path


def of_kind(layers: Layers, kind: str, number: int = 0) -> dict[str, Any]:
    return [layer for layer in layers.values() if layer.get("class_name") == kind and "inbound_nodes" in layer][number]


def states_swapped(layers: Layers) -> None:
    layers["lstm_2"]["inbound_nodes"][0]["kwargs"]["initial_state"].reverse()


def states_of_two_layers(layers: Layers) -> None:
    nodes = [layers[name]["inbound_nodes"][0]["kwargs"]["initial_state"] for name in ("lstm_2", "lstm_3")]
    nodes[0][1] = copy.deepcopy(nodes[1][1])


def second_output(layers: Layers) -> None:
    model = layers["model"]["config"]
    model["output_layers"] = [model["output_layers"], [layers["lstm"]["name"], 0, 0]]


def cell_state_alone(layers: Layers) -> None:
    model = layers["model"]["config"]
    model["output_layers"] = [layers["lstm"]["name"], 0, 2]


def in_a_circle(layers: Layers) -> None:
    first, last = layers["lstm"], layers["dense"]
    first["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [last["name"], 0, 0]


def shared_layer(layers: Layers) -> None:
    first, second = layers["lstm"], layers["lstm_1"]
    again = copy.deepcopy(first["inbound_nodes"][0])
    again["args"][0]["config"]["keras_history"] = [first["name"], 0, 0]
    first["inbound_nodes"].append(again)
    second["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = [first["name"], 1, 0]


def past_the_vector(layers: Layers) -> None:
    history = layers["lstm"]["inbound_nodes"][0]["args"][0]["config"]["keras_history"]
    layers["lstm_2"]["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = list(history)


def sigmoid_readout(layers: Layers) -> None:
    layers["dense"]["config"]["activation"] = "sigmoid"


def backward_decoder(layers: Layers) -> None:
    layers["lstm_2"]["config"]["go_backwards"] = True


def fewer_channels(layers: Layers) -> None:
    layers["dense"]["config"]["units"] = 2


def other_repeats(layers: Layers) -> None:
    of_kind(layers, "RepeatVector")["config"]["n"] = 4


def foreign_mask(layers: Layers) -> None:
    not_equal = of_kind(layers, "NotEqual")
    not_equal["inbound_nodes"][0]["args"][0]["config"]["keras_history"] = ["masking", 0, 0]


def backward_mask(layers: Layers) -> None:
    inner = of_kind(layers, "Bidirectional")
    inner |= {"class_name": "LSTM", "config": inner["config"]["layer"]["config"] | {"go_backwards": True}}


def logits(layers: Layers) -> None:
    of_kind(layers, "TimeDistributed")["config"]["layer"]["config"]["activation"] = "linear"


def other_dimensions(layers: Layers) -> None:
    of_kind(layers, "InputLayer")["config"]["batch_shape"] = [None, 6, 3, 1]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("taught", states_swapped, "'lstm_2' starts from a tensor of 'lstm'"),
        ("taught", states_of_two_layers, "'lstm_2' starts from a tensor of 'lstm_1'"),
        ("taught", second_output, r"2 outputs \('dense', 'lstm'\)"),
        ("taught", cell_state_alone, "'lstm' hands on its tensor 2 alone"),
        ("taught", in_a_circle, "in a circle"),
        ("taught", shared_layer, r"'lstm' \(LSTM\) is used more than once"),
        ("taught", past_the_vector, "'lstm_2' reads the encoder's own input"),
        ("taught", sigmoid_readout, r"'dense' \(Dense\) has activation 'sigmoid'"),
        ("taught", backward_decoder, r"'lstm_2' \(LSTM\) must run forward"),
        ("taught", fewer_channels, "'dense' writes 2 channels, but the model reads 3"),
        ("repeated_with_states", other_repeats, "reads 6 steps, but writes 4"),
        ("masked", foreign_mask, "has a mask that no Masking"),
        ("masked", backward_mask, "'bidirectional' reads masked steps with go_backwards"),
        ("masked_tokens", logits, "'time_distributed' must give the probability of each of 7 symbols"),
        ("masked", other_dimensions, r"'input_layer' must give \(steps, channels\)"),
    ],
)
def test_what_cannot_be_taken_is_named(
    name: str, change: Callable[[Layers], None], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelFileError, match=message) as caught:
        load_keras(rewritten(name, change, tmp_path / "m.keras"))
    assert "\n" not in str(caught.value)


def test_what_is_not_changed_loads(tmp_path: Path) -> None:
    for name in ("taught", "masked", "masked_tokens", "repeated_with_states"):
        assert load_keras(rewritten(name, lambda layers: None, tmp_path / "m.keras")).latent_size


def test_a_mask_ends_at_the_vector(tmp_path: Path) -> None:
    def backward_behind_it(layers: Layers) -> None:
        of_kind(layers, "LSTM")["config"]["go_backwards"] = True

    assert load_keras(rewritten("masked", backward_behind_it, tmp_path / "m.keras")).latent_size == 4


def test_a_decoder_that_masks_zeros_needs_a_start(tmp_path: Path) -> None:
    def masking(layers: Layers) -> None:
        of_kind(layers, "Embedding", 1)["config"]["mask_zero"] = True

    path = rewritten("taught_tokens", masking, tmp_path / "m.keras")
    with pytest.raises(ModelFileError, match="pass start="):
        load_keras(path)
    assert load_keras(path, start=2).latent_size == 8


def test_models_without_end_are_refused(tmp_path: Path) -> None:
    def nested(layers: Layers) -> None:
        inner = {"class_name": "LSTM", "config": {"units": 3}}
        for _ in range(30):
            inner = {"class_name": "Sequential", "config": {"layers": [inner]}}
        layers["model"].clear()
        layers["model"] |= {"class_name": "Sequential", "config": {"layers": [inner]}}

    with pytest.raises(ModelFileError, match="nested more than 20 deep"):
        load_keras(rewritten("taught", nested, tmp_path / "m.keras"))


def test_a_graph_that_doubles_again_and_again_is_refused(tmp_path: Path) -> None:
    """Each model calls the one within it twice: 2**20 uses of one layer."""

    def doubled(layers: Layers) -> None:
        inner: dict[str, Any] = {"class_name": "Dense", "config": {"units": 3}, "name": "inner"}
        for _ in range(20):
            own = {
                "class_name": "InputLayer",
                "config": {"batch_shape": [None, 6, 3]},
                "name": "x",
                "inbound_nodes": [],
            }
            uses = [{"args": [tensor("x", 0)], "kwargs": {}}, {"args": [tensor("inner", 0)], "kwargs": {}}]
            last = 1 if inner["class_name"] == "Dense" else 2
            config = {
                "layers": [own, {**inner, "name": "inner", "inbound_nodes": uses}],
                "input_layers": [["x", 0, 0]],
                "output_layers": [["inner", last, 0]],
            }
            inner = {"class_name": "Functional", "config": config}
        layers["model"].clear()
        layers["model"] |= inner

    with pytest.raises(ModelFileError, match="more than 20000 uses"):
        load_keras(rewritten("taught", doubled, tmp_path / "m.keras"))


def tensor(name: str, use: int) -> dict[str, Any]:
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [name, use, 0]}}
