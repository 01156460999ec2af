"""A Keras 3 model as calls of its layers, with nested models expanded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import ModelFileError
from .keras_legacy import Json

CONTAINERS = ("Functional", "Sequential", "Model")
MAX_CALLS, MAX_DEPTH = 20_000, 20


@dataclass(frozen=True, slots=True)
class KerasLayer:
    """One layer. model, place: paths in the file of the weights of its model, and of its own."""

    kind: str
    name: str
    config: Mapping[str, Json]
    model: str
    place: str


@dataclass(frozen=True, slots=True)
class Output:
    """One output tensor of a call. call: its position among the graph's calls; number: among the call's outputs."""

    call: int
    number: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a layer. inputs: the tensors that it reads, in order; mask: the source of its mask, or None."""

    layer: KerasLayer
    inputs: tuple[Output, ...] = ()
    mask: Output | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """Calls that lead to the outputs; each reads only earlier calls. InputLayers are calls without inputs."""

    calls: Sequence[Call]
    outputs: Sequence[Output]


def graph_of(config: Mapping[str, Json]) -> Graph:
    """The calls that lead to the model's outputs.

    Raises ModelFileError for another kind of model, and for a graph that runs in a circle or is too large.
    """
    calls: list[Call] = []
    return Graph(calls, _opened(config, "", None, calls, 0))


def _opened(
    config: Mapping[str, Json], prefix: str, inputs: Sequence[Output] | None, calls: list[Call], depth: int
) -> list[Output]:
    """The outputs of a model applied to `inputs`; None: the outermost model, whose InputLayers become calls."""
    kind = config.get("class_name")
    if kind not in CONTAINERS:
        raise ModelFileError(f"the file holds a {kind!r}, not a Functional or Sequential model of known layers")
    if depth > MAX_DEPTH:
        raise ModelFileError(f"models are nested more than {MAX_DEPTH} deep")
    _called(calls, Call(KerasLayer(kind, "", {}, prefix, prefix)))  # counts as a use, but no call reads it
    layers = list(layers_of(config, prefix))
    if kind == "Sequential":
        return _one_after_the_other(config, [layer for layer, _ in layers], inputs, calls, depth)
    return _Functional(config, layers, inputs, calls, depth).outputs()


def _one_after_the_other(
    config: Mapping[str, Json],
    layers: Sequence[KerasLayer],
    inputs: Sequence[Output] | None,
    calls: list[Call],
    depth: int,
) -> list[Output]:
    """A Sequential model."""
    flow = list(inputs or ())
    if inputs is None:
        flow = [_called(calls, Call(_input_of(config, layers)))]
    if len(flow) != 1:
        raise ModelFileError(f"a Sequential model reads {len(flow)} tensors; it can take only one")
    for layer in layers:
        if layer.kind in CONTAINERS:
            flow = _opened(as_model(layer), layer.place + "/", flow, calls, depth + 1)
        elif layer.kind != "InputLayer":
            flow = [_called(calls, Call(layer, tuple(flow)))]
    return flow


def _input_of(config: Mapping[str, Json], layers: Sequence[KerasLayer]) -> KerasLayer:
    """The InputLayer of a Sequential model; if it has none, one with its build shape."""
    if layers and layers[0].kind == "InputLayer":
        return layers[0]
    if layers and layers[0].kind in CONTAINERS:
        inner = as_model(layers[0])
        found = [layer for layer, _ in layers_of(inner, "") if layer.kind == "InputLayer"]
        if found:
            return found[0]
    shape = (config.get("build_config") or {}).get("input_shape")
    own = layers[0].config.get("batch_input_shape") if layers else None
    return KerasLayer("InputLayer", "input", {"batch_shape": own or shape}, "", "")


@dataclass(slots=True)
class _Functional:
    """A Functional model during expansion. found: outputs of each node, by (layer name, number of the use)."""

    config: Mapping[str, Json]
    layers: list[tuple[KerasLayer, list[Json]]]
    inputs: Sequence[Output] | None
    calls: list[Call]
    depth: int
    found: dict[tuple[str, int], list[Output] | int] = field(default_factory=dict)

    def outputs(self) -> list[Output]:
        """The model's outputs; each node is expanded after its inputs, without recursion."""
        by_name = {layer.name: (layer, nodes) for layer, nodes in self.layers}
        if self.inputs is not None:
            names = [name for name, _, _ in _histories(self.config["config"]["input_layers"])]
            if len(names) != len(self.inputs):
                raise ModelFileError(f"a model within the model reads {len(self.inputs)} tensors, not {len(names)}")
            self.found |= {(name, 0): [given] for name, given in zip(names, self.inputs, strict=True)}
        written = list(_histories(self.config["config"]["output_layers"]))
        # in Keras, building a Functional model counts as its first use; only here
        wanted = [(name, use - (by_name[name][0].kind == "Functional"), number) for name, use, number in written]
        open_nodes = [(name, use) for name, use, _ in wanted]
        waiting: set[tuple[str, int]] = set()
        while open_nodes:
            node = open_nodes[-1]
            if node in self.found:
                open_nodes.pop()
                continue
            layer, nodes = by_name[node[0]]
            spec = nodes[node[1]] if nodes else {}
            read = [(name, use) for name, use, _ in _tensors(spec) if (name, use) not in self.found]
            if read:
                if node in waiting:
                    raise ModelFileError(f"the model's graph runs in a circle at layer {layer.name!r}")
                waiting.add(node)
                open_nodes += read
                continue
            self.found[node] = self._gives(layer, spec)
        return [self._output(history) for history in wanted]

    def _gives(self, layer: KerasLayer, spec: Mapping[str, Json]) -> list[Output] | int:
        arguments = spec.get("kwargs", {})
        read = [*_tensors(spec.get("args", [])), *_tensors({k: v for k, v in arguments.items() if k != "mask"})]
        inputs = tuple(self._output(history) for history in read)
        if layer.kind in CONTAINERS:
            return _opened(as_model(layer), layer.place + "/", inputs, self.calls, self.depth + 1)
        masks = [self._output(history) for history in _tensors(arguments.get("mask"))]
        return _called(self.calls, Call(layer, inputs, masks[0] if masks else None)).call

    def _output(self, history: tuple[str, int, int]) -> Output:
        name, use, number = history
        given = self.found[name, use]
        return Output(given, number) if isinstance(given, int) else given[number]


def _called(calls: list[Call], call: Call) -> Output:
    if len(calls) >= MAX_CALLS:
        raise ModelFileError(f"the model's graph has more than {MAX_CALLS} uses of layers")
    calls.append(call)
    return Output(len(calls) - 1)


def layers_of(config: Mapping[str, Json], prefix: str) -> Iterator[tuple[KerasLayer, list[Json]]]:
    """Each layer with its uses. Weights lie under the layers' kinds, counted in the order of the configuration."""
    counts: dict[str, int] = {}
    for item in config["config"]["layers"]:
        kind = str(item["class_name"])
        base = re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", kind)).lower()
        number = counts.get(base, 0)
        counts[base] = number + 1
        name = str(item.get("name") or item["config"].get("name"))
        place = f"{prefix}layers/{base}" + (f"_{number}" if number else "")
        yield KerasLayer(kind, name, item["config"], prefix, place), list(item.get("inbound_nodes", []))


def as_model(layer: KerasLayer) -> dict[str, Json]:
    """The configuration of a layer that is a model."""
    return {"class_name": layer.kind, "config": layer.config}


def _tensors(value: Json) -> Iterator[tuple[str, int, int]]:
    """The symbolic tensors in a call's arguments: (layer name, number of the use, number of the tensor)."""
    if isinstance(value, dict):
        if value.get("class_name") == "__keras_tensor__":
            name, use, number = value["config"]["keras_history"]
            yield str(name), int(use), int(number)
        else:
            for part in value.values():
                yield from _tensors(part)
    elif isinstance(value, list):
        for part in value:
            yield from _tensors(part)


def _histories(value: Json) -> Iterator[tuple[str, int, int]]:
    """["name", 0, 0], or such in lists or dictionaries."""
    if isinstance(value, dict):
        value = list(value.values())
    if value and isinstance(value[0], str):
        yield str(value[0]), int(value[1]), int(value[2])
    else:
        for part in value:
            yield from _histories(part)
