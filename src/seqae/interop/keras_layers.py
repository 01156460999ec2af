"""Translate Keras layers to links of a chain, and their weights to torch's layout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import ModelFileError
from ..model.chains.plan import ACTIVATIONS, ChainLayer
from .keras_graph import KerasLayer

Arrays = Mapping[str, np.ndarray]
_ALIASES = {"swish": "silu"}
KNOWN = "Input, Masking, Embedding, LSTM, GRU, Bidirectional, RepeatVector, TimeDistributed, Dense, Reshape and Dropout"


@dataclass(frozen=True, slots=True)
class Flow:
    """The data between two layers: steps of `width` values, or one vector. n_steps: None if it varies."""

    is_vector: bool
    n_steps: int | None
    width: int

    def after(self, link: ChainLayer) -> Flow:
        """The flow after the link."""
        if link.is_recurrent:
            return replace(self, is_vector=not link.returns_steps, width=link.output_size)
        if link.kind in ("dense", "embedding"):
            return replace(self, width=link.size)
        if link.kind == "flatten":
            return Flow(True, None, self.width * (self.n_steps or 1))
        if link.kind == "reshape" and link.shape is not None:
            return Flow(False, *link.shape)
        return replace(self, is_vector=False) if link.kind == "repeat" else self


def links_of(layer: KerasLayer, flow: Flow) -> list[ChainLayer]:
    """The links that compute the same as the layer on this flow. Raises ModelFileError naming the layer."""
    kind, config = layer.kind, layer.config
    if kind == "TimeDistributed":
        inner = config["layer"]
        if inner["class_name"] not in ("Dense", "Dropout") or flow.is_vector:
            raise ModelFileError(
                f"layer {layer.name!r}: TimeDistributed({inner['class_name']}) cannot be imported here"
            )
        kind, config = inner["class_name"], inner["config"]
    if kind in ("LSTM", "GRU"):
        return [_recurrent(layer, kind, config)]
    if kind == "Bidirectional":
        return [_bidirectional(layer)]
    if kind == "Dense":
        activation, n_biases = _activation(layer, config, ACTIVATIONS), int(bool(config.get("use_bias", True)))
        return [ChainLayer(kind="dense", size=config["units"], activation=activation, n_biases=n_biases)]
    if kind in ("Dropout", "SpatialDropout1D"):
        return [ChainLayer(kind="dropout", rate=float(config["rate"]))]
    if kind == "Masking":
        return [ChainLayer(kind="mask", value=float(config["mask_value"]))]
    if kind == "Embedding":
        mask = [ChainLayer(kind="mask", value=0.0)] if config.get("mask_zero") else []
        return [*mask, ChainLayer(kind="embedding", size=config["output_dim"])]
    if kind == "RepeatVector":
        return [ChainLayer(kind="repeat")]
    if kind == "Reshape":
        return _reshape(layer, flow)
    raise ModelFileError(f"layer {layer.name!r} is a {kind}, which cannot be imported; known are {KNOWN}")


def parameters_of(layer: KerasLayer, link: ChainLayer, arrays: Arrays) -> dict[str, np.ndarray]:
    """The layer's weights under the names of the chain's module.

    Raises ModelFileError if one is missing or has another shape than in the configuration.
    """
    if link.kind == "embedding":
        weight = _array(arrays, f"{layer.place}/vars/0", (int(layer.config["input_dim"]), link.size))
        return {"embedding.weight": np.concatenate([weight, np.zeros_like(weight[:1])])}
    if link.kind == "dense":
        place = layer.place + ("/layer" if layer.kind == "TimeDistributed" else "")
        found = {"map.weight": _array(arrays, f"{place}/vars/0", (None, link.size)).T}
        bias = _array(arrays, f"{place}/vars/1", (link.size,)) if link.n_biases else np.zeros(link.size, np.float32)
        return found | {"map.bias": bias}
    if link.kind not in ("lstm", "gru"):
        return {}
    if layer.kind != "Bidirectional":
        return _prefixed("directions.0.", recurrent_parameters(link, arrays, f"{layer.place}/cell/vars"))
    ahead, back = (
        recurrent_parameters(link, arrays, f"{layer.place}/{side}_layer/cell/vars") for side in ("forward", "backward")
    )
    return _prefixed("directions.0.", ahead) | _prefixed("directions.1.", back)


def recurrent_parameters(link: ChainLayer, arrays: Arrays, place: str) -> dict[str, np.ndarray]:
    """Kernel, recurrent kernel and bias of one direction: Keras' i f c o and z r h as torch's i f g o and r z n.

    An LSTM has one bias in Keras; the other is zero and constant, so that training updates the sum as in Keras.
    """
    n_gates = 4 if link.kind == "lstm" else 3
    rows = n_gates * link.size
    order = _gate_order(link)
    found = {
        "weight_ih": _array(arrays, f"{place}/0", (None, rows)).T[order],
        "weight_hh": _array(arrays, f"{place}/1", (link.size, rows)).T[order],
        "bias_ih": np.zeros(rows, np.float32),
        "bias_hh": np.zeros(rows, np.float32),
    }
    if link.n_biases == 1:
        found["bias_ih"] = _array(arrays, f"{place}/2", (rows,))[order]
    if link.n_biases == 2:
        bias = _array(arrays, f"{place}/2", (2, rows))[:, order]
        found["bias_ih"], found["bias_hh"] = bias
    return {name: np.ascontiguousarray(array) for name, array in found.items()}


def _gate_order(link: ChainLayer) -> np.ndarray:
    """Rows of Keras' gates in torch's order."""
    rows = np.arange((4 if link.kind == "lstm" else 3) * link.size)
    if link.kind == "lstm":
        return rows
    z, r, h = np.split(rows, 3)
    return np.concatenate([r, z, h])


def _recurrent(layer: KerasLayer, kind: str, config: Mapping[str, Any]) -> ChainLayer:
    if config.get("recurrent_activation", "sigmoid") != "sigmoid":
        raise ModelFileError(
            f"layer {layer.name!r} has recurrent_activation={config['recurrent_activation']!r}; only 'sigmoid' can be "
            "imported"
        )
    if kind == "GRU" and not config.get("reset_after", True):
        raise ModelFileError(
            f"layer {layer.name!r} is a GRU with reset_after=False, another recurrence than the one that seqae has; "
            "train it with reset_after=True (Keras' default)"
        )
    if config.get("stateful"):
        raise ModelFileError(f"layer {layer.name!r} is stateful, which cannot be imported; set stateful=False")
    if config.get("time_major"):
        raise ModelFileError(
            f"layer {layer.name!r} has time_major=True, steps before sequences, which cannot be imported; set "
            "time_major=False"
        )
    has_bias = bool(config.get("use_bias", True))
    return ChainLayer(
        kind="lstm" if kind == "LSTM" else "gru",
        size=config["units"],
        activation=_activation(layer, config, ("tanh", "relu")),
        direction="backward" if config.get("go_backwards") else "forward",
        returns_steps=bool(config.get("return_sequences")),
        n_biases=0 if not has_bias else 1 if kind == "LSTM" else 2,
    )


def _bidirectional(layer: KerasLayer) -> ChainLayer:
    inner = layer.config["layer"]
    if inner["class_name"] not in ("LSTM", "GRU"):
        raise ModelFileError(f"layer {layer.name!r}: Bidirectional({inner['class_name']}) cannot be imported")
    link = _recurrent(layer, inner["class_name"], inner["config"])
    back = layer.config.get("backward_layer")
    if back is not None:
        other = _recurrent(layer, back["class_name"], back["config"])
        same = ("kind", "size", "activation", "returns_steps", "n_biases")
        if any(getattr(link, name) != getattr(other, name) for name in same):
            raise ModelFileError(f"layer {layer.name!r} has two different directions, which cannot be imported")
    merge = layer.config.get("merge_mode", "concat")
    if merge not in ("concat", "sum", "mul", "ave") or link.direction == "backward":
        raise ModelFileError(f"layer {layer.name!r} has merge_mode={merge!r} or runs backwards; cannot be imported")
    return ChainLayer(
        kind=link.kind,
        size=link.size,
        activation=link.activation,
        direction="both",
        merge=merge,
        returns_steps=link.returns_steps,
        n_biases=link.n_biases,
    )


def _reshape(layer: KerasLayer, flow: Flow) -> list[ChainLayer]:
    """A vector cut into steps, or all steps joined to a vector."""
    shape = list(layer.config["target_shape"])
    n_values = flow.width * (1 if flow.is_vector else flow.n_steps or 0)
    if shape.count(-1) == 1:
        shape[shape.index(-1)] = n_values // -math.prod(shape)
    if len(shape) == 1 and shape[0] == n_values > 0:
        return [] if flow.is_vector else [ChainLayer(kind="flatten", shape=(flow.n_steps or 1, flow.width))]
    if len(shape) == 2 and flow.is_vector and shape[0] * shape[1] == n_values:
        return [ChainLayer(kind="reshape", shape=(shape[0], shape[1]))]
    raise ModelFileError(
        f"layer {layer.name!r} reshapes to {tuple(layer.config['target_shape'])}; only a vector reshaped to (steps, "
        "width), or steps of known number to a vector, can be imported"
    )


def _activation(layer: KerasLayer, config: Mapping[str, Any], known: tuple[str, ...]) -> str:
    name = config.get("activation") or "linear"
    if isinstance(name, dict):
        name = name.get("config")
    name = _ALIASES.get(str(name), name)
    if name not in known:
        raise ModelFileError(
            f"layer {layer.name!r} ({layer.kind}) has activation {name!r}; only {', '.join(known)} can be imported"
        )
    return str(name)


def _array(arrays: Arrays, place: str, shape: tuple[int | None, ...] | None) -> np.ndarray:
    array = arrays.get(place)
    if array is None:
        raise ModelFileError(f"the weights {place} are missing from the file")
    if shape is not None and (
        array.ndim != len(shape)
        or any(wanted not in (None, got) for wanted, got in zip(shape, array.shape, strict=True))
    ):
        raise ModelFileError(f"the weights {place} have shape {array.shape}, but the configuration says {shape}")
    if not np.isfinite(array).all():
        raise ModelFileError(f"the weights {place} hold NaN or infinite values; the training of the model diverged")
    return array


def _prefixed(prefix: str, parameters: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {prefix + name: array for name, array in parameters.items()}
