"""What Keras 2.13 to 2.15 wrote in a .keras file, in the form of Keras 3."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import ModelFileError

Json = Any  # what json.loads returns
_CONTAINERS = ("Functional", "Sequential", "Model")
_DEPENDENCIES = "_layer_checkpoint_dependencies"
_MAX_DEPTH = 40


def modern_config(config: Mapping[str, Json]) -> Mapping[str, Json]:
    """The configuration with all uses of layers as Keras 3 writes them.

    Keras 2 wrote a use of a layer as a list of [name, number of the use, number of the tensor, arguments]; Keras 3
    writes a dictionary. A configuration of Keras 3 comes back equal.

    Raises ModelFileError, naming the layer, for a use that cannot be read.
    """
    return _modern_model(config, 0)


def modern_arrays(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The weights by the paths of Keras 3, "layers/lstm_1/cell/vars/0".

    Keras 2 counted layers with weights twice, so that the second LSTM of a model lies under
    "_layer_checkpoint_dependencies/lstm_2"; the layers of one kind keep their order. Raises ModelFileError if two
    arrays have one path.
    """
    found: dict[str, np.ndarray] = {}
    places = _modern_places(list(arrays))
    for place, array in arrays.items():
        if places[place] in found:
            raise ModelFileError(f"the weights {places[place]} are in the file twice")
        found[places[place]] = array
    return found


def _modern_places(places: list[str]) -> dict[str, str]:
    """The new path of each path."""
    numbers: dict[str, dict[str, list[int]]] = {}  # of the layers of each kind, by model
    for place in places:
        for model, name in _steps_of(place):
            kind, number = _kind_and_number(name)
            seen = numbers.setdefault(model, {}).setdefault(kind, [])
            if number not in seen:
                seen.append(number)
    changed: dict[str, str] = {}
    for place in places:
        parts = place.split("/")
        for model, name in _steps_of(place):
            kind, number = _kind_and_number(name)
            rank = sorted(numbers[model][kind]).index(number)
            depth = len(model.split("/"))
            parts[depth - 1 : depth + 1] = ["layers", f"{kind}_{rank}" if rank else kind]
        changed[place] = "/".join(parts)
    return changed


def _steps_of(place: str) -> list[tuple[str, str]]:
    """The layers that a path leads through: where the dependencies of each layer's model lie, and the layer's name."""
    parts = place.split("/")
    return [("/".join(parts[: k + 1]), parts[k + 1]) for k, part in enumerate(parts[:-1]) if part == _DEPENDENCIES]


def _kind_and_number(name: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.+?)_([0-9]{1,6})", name)
    return (match[1], int(match[2])) if match else (name, 0)


def _modern_model(config: Mapping[str, Json], depth: int) -> Mapping[str, Json]:
    """A model's configuration, and those of the models within it."""
    if depth > _MAX_DEPTH:
        raise ModelFileError(f"models are nested more than {_MAX_DEPTH} deep")
    inner = config.get("config")
    if config.get("class_name") == "Sequential" and isinstance(inner, list):  # as Keras wrote until 2.2
        inner = {"layers": inner}
    if config.get("class_name") not in _CONTAINERS or not isinstance(inner, dict):
        return config
    layers = [_modern_model(item, depth + 1) for item in inner.get("layers", [])]
    kinds = {str(item.get("name") or item["config"].get("name")): str(item["class_name"]) for item in layers}
    if not any(isinstance(node, list) for item in layers for node in item.get("inbound_nodes", [])):
        return {**config, "config": {**inner, "layers": layers}}
    layers = [{**item, "inbound_nodes": _modern_nodes(item, kinds)} for item in layers]
    outputs = _modern_outputs(inner["output_layers"], kinds)
    return {**config, "config": {**inner, "layers": layers, "output_layers": outputs}}


def _modern_nodes(item: Mapping[str, Json], kinds: Mapping[str, str]) -> list[dict[str, Json]]:
    name = item.get("name") or item["config"].get("name")
    return [
        _modern_node(str(name), node, kinds) if isinstance(node, list) else node
        for node in item.get("inbound_nodes", [])
    ]


def _modern_node(layer: str, node: list[Json], kinds: Mapping[str, str]) -> dict[str, Json]:
    """One use of a layer: the tensors that it reads, and its arguments."""
    tensors = [node] if node and isinstance(node[0], str) else node
    read, arguments = [], {}
    for tensor in tensors:
        if not isinstance(tensor, list) or len(tensor) not in (3, 4) or tensor[0] not in kinds:
            raise ModelFileError(f"layer {layer!r} reads {str(tensor)[:60]}, which is no output of a layer")
        read.append(_tensor(tensor, kinds))
        arguments |= _argument(tensor[3], kinds) if len(tensor) == 4 else {}
    return {"args": [read[0] if len(read) == 1 else read], "kwargs": arguments}


def _argument(value: Json, kinds: Mapping[str, str]) -> Json:
    """An argument of a call, in which ["name", 0, 0] stands for a tensor."""
    if isinstance(value, dict):
        return {name: _argument(part, kinds) for name, part in value.items()}
    if isinstance(value, list):
        is_tensor = len(value) == 3 and isinstance(value[0], str) and value[0] in kinds
        return _tensor(value, kinds) if is_tensor else [_argument(part, kinds) for part in value]
    return value


def _tensor(history: list[Json], kinds: Mapping[str, str]) -> dict[str, Json]:
    # in Keras 2, building a model counts as its first use
    use = max(int(history[1]) - (kinds[history[0]] in _CONTAINERS), 0)
    return {"class_name": "__keras_tensor__", "config": {"keras_history": [history[0], use, int(history[2])]}}


def _modern_outputs(value: Json, kinds: Mapping[str, str]) -> Json:
    """The model's outputs. In Keras 3, the first use counts from one for Functional models only."""
    if isinstance(value, dict):
        return {name: _modern_outputs(part, kinds) for name, part in value.items()}
    if value and isinstance(value[0], str):
        is_counted = kinds.get(value[0]) in ("Sequential", "Model")
        return [value[0], max(int(value[1]) - is_counted, 0), int(value[2])]
    return [_modern_outputs(part, kinds) for part in value]
