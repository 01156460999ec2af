"""The layers of a Keras 3 model in the order in which data passes through them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ModelFileError

CONTAINERS = ("Functional", "Sequential", "Model")


@dataclass(frozen=True, slots=True)
class KerasLayer:
    """One layer. place: of its weights. sources: for each time it is used, the (layer name, tensor number) it reads."""

    kind: str
    name: str
    config: Mapping[str, Any]
    place: str
    sources: tuple[tuple[tuple[str, int], ...], ...]


def layers_of(config: Mapping[str, Any], prefix: str = "") -> list[KerasLayer]:
    """All layers of a model, in the order of its configuration, models within it not yet opened.

    Raises ModelFileError for another kind of model.
    """
    kind = config.get("class_name")
    if kind not in CONTAINERS:
        raise ModelFileError(f"the file holds a {kind!r}, not a Functional or Sequential model of known layers")
    return list(_layers(config, prefix))


def chain_of(config: Mapping[str, Any], prefix: str = "") -> list[KerasLayer]:
    """The layers from input to output, models within the model opened.

    Raises ModelFileError, naming the layer, where the graph is no chain.
    """
    layers = layers_of(config, prefix)
    chain: list[KerasLayer] = []
    for layer in layers if config["class_name"] == "Sequential" else _in_order(config, layers):
        if layer.kind in CONTAINERS:
            chain += chain_of({"class_name": layer.kind, "config": layer.config}, layer.place + "/")
        elif layer.kind != "InputLayer":
            chain.append(layer)
    return chain


def is_unrolled(config: Mapping[str, Any]) -> bool:
    """Whether the model hands states from layer to layer: some recurrent layer reads more than one tensor."""
    if config.get("class_name") not in CONTAINERS:
        return False
    return any(
        layer.kind in ("LSTM", "GRU") and any(len(node) > 1 for node in layer.sources) for layer in layers_of(config)
    )


def _layers(config: Mapping[str, Any], prefix: str) -> Iterator[KerasLayer]:
    counts: dict[str, int] = {}
    for item in config["config"]["layers"]:
        kind = str(item["class_name"])
        base = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", kind).lower()
        number = counts.get(base, 0)
        counts[base] = number + 1
        own = item["config"]
        name = str(item.get("name") or own.get("name"))
        place = f"{prefix}layers/{base}" + (f"_{number}" if number else "")
        yield KerasLayer(kind, name, own, place, tuple(_sources(item.get("inbound_nodes", []))))


def _sources(nodes: Any) -> Iterator[tuple[tuple[str, int], ...]]:
    for node in nodes:
        yield tuple(_tensors(node.get("args", []))) + tuple(_tensors(node.get("kwargs", {})))


def _tensors(value: Any) -> Iterator[tuple[str, int]]:
    """The symbolic tensors in a call's arguments."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            name, _, number = value["config"]["keras_history"]
            yield str(name), int(number)
        else:
            for part in value.values():
                yield from _tensors(part)
    elif isinstance(value, list):
        for part in value:
            yield from _tensors(part)


def _in_order(config: Mapping[str, Any], layers: list[KerasLayer]) -> list[KerasLayer]:
    """The layers of a Functional model from its one output back to its one input."""
    by_name = {layer.name: layer for layer in layers}
    current = by_name[_first_name(config["config"]["output_layers"])]
    order = [current]
    while current.kind != "InputLayer":
        if len(current.sources) != 1 or len(current.sources[0]) != 1:
            raise ModelFileError(
                f"layer {current.name!r} ({current.kind}) reads more than one tensor or is used more than once; "
                "only chains of layers can be imported"
            )
        current = by_name[current.sources[0][0][0]]
        if len(order) > len(layers):
            raise ModelFileError("the model's graph runs in a circle")
        order.append(current)
    return order[::-1]


def _first_name(output: Any) -> str:
    """["name", 0, 0], or a list of such; more than one output is no chain."""
    if output and isinstance(output[0], list):
        if len(output) != 1:
            names = ", ".join(repr(part[0]) for part in output)
            raise ModelFileError(f"the model has {len(output)} outputs ({names}); only one can be imported")
        output = output[0]
    return str(output[0])
