"""The path of the data through a Keras graph, from input to output, and of states from encoder to decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..errors import ModelFileError
from .keras_graph import Call, Graph, KerasLayer, Output

_N_STATES = {"LSTM": 2, "GRU": 1}


@dataclass(frozen=True, slots=True)
class Stop:
    """A layer on the path. gives_state: whether the next one reads its last hidden state instead of its outputs."""

    layer: KerasLayer
    gives_state: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """The layers from the input to the output, in order.

    source: the encoder's InputLayer. starts: for each recurrent layer that starts from a state, the place of the layer
    whose last state it is. n_encoder: number of stops of the encoder, if the decoder reads steps: its own output
    ("own") or a second input ("teacher"); None if it reads the vector only.
    """

    source: KerasLayer
    stops: Sequence[Stop]
    starts: Mapping[int, int] = field(default_factory=dict)
    n_encoder: int | None = None
    feedback: Literal["teacher", "own"] = "teacher"


def route_of(graph: Graph) -> Route:
    """The only path through the graph.

    Raises ModelFileError, naming the layer, unless the graph is a chain of layers, or an encoder that passes the states
    of its recurrent layers to a decoder.
    """
    if len(graph.outputs) != 1:
        names = ", ".join(repr(graph.calls[output.call].layer.name) for output in graph.outputs)
        raise ModelFileError(f"the model has {len(graph.outputs)} outputs ({names}); only one can be imported")
    top = graph.calls[graph.outputs[0].call]
    is_unrolled = top.layer.kind == "Concatenate" and top.layer.config.get("axis", -1) in (1, -2)
    way = _first_step(graph, top) if is_unrolled else _way_to(graph, graph.outputs[0])
    givers = {k: _giver(graph, call) for k, call in _calls(graph, way) if len(call.inputs) > 1}
    places = {output.call: k for k, output in enumerate(way)}
    if all(giver in places for giver in givers.values()) and not is_unrolled:
        starts = {k: places[giver] for k, giver in givers.items()}
        return _checked(Route(graph.calls[way[0].call].layer, _stops(graph, way), _shifted(starts, -1)))
    if not givers:
        raise ModelFileError(
            f"layer {graph.calls[way[-1].call].layer.name!r} is called step by step, but no layer takes over a state"
        )
    return _of_two(graph, way, givers, "own" if is_unrolled else "teacher")


def _of_two(graph: Graph, way: list[Output], givers: Mapping[int, int], feedback: Literal["teacher", "own"]) -> Route:
    """An encoder and a decoder with an input each. givers: for places on the decoder's path, the encoder's call."""
    encoder = _way_to(graph, Output(max(givers.values())))
    places = {output.call: k for k, output in enumerate(encoder)}
    for k, giver in givers.items():
        if giver not in places:
            name, other = (graph.calls[call].layer.name for call in (way[k].call, giver))
            raise ModelFileError(f"layer {name!r} starts from the state of {other!r}, which is not in one encoder")
    if encoder[0] == way[0]:
        raise ModelFileError(
            f"layer {graph.calls[way[1].call].layer.name!r} reads the encoder's own input step by step, past the vector"
        )
    n_encoder = len(encoder) - 1
    starts = {k - 1 + n_encoder: places[giver] - 1 for k, giver in givers.items()}
    stops = [*_stops(graph, encoder), *_stops(graph, way)]
    return _checked(Route(graph.calls[encoder[0].call].layer, stops, starts, n_encoder, feedback))


def _way_to(graph: Graph, output: Output, end: Output | None = None) -> list[Output]:
    """The tensors from an InputLayer, or from `end`, to the output; each is computed from the one before."""
    way = [output]
    while way[-1] != end and graph.calls[way[-1].call].inputs:
        call = graph.calls[way[-1].call]
        n_states = _N_STATES.get(call.layer.kind, 0)
        if len(call.inputs) not in (1, 1 + n_states):
            raise ModelFileError(
                f"layer {call.layer.name!r} ({call.layer.kind}) reads {len(call.inputs)} tensors; only chains of "
                "layers, and recurrent layers that hand on their states, can be imported"
            )
        if way[-1].number > (1 if n_states else 0):
            raise ModelFileError(
                f"layer {call.layer.name!r} hands on its tensor {way[-1].number} alone; only outputs, the hidden "
                "state, or all states can be imported"
            )
        way.append(call.inputs[0])
    if graph.calls[way[-1].call].layer.kind != "InputLayer" and way[-1] != end:
        raise ModelFileError(f"layer {graph.calls[way[-1].call].layer.name!r} reads nothing; it is no InputLayer")
    way.reverse()
    _check_masks(graph, way)
    return way


def _first_step(graph: Graph, top: Call) -> list[Output]:
    """The path of the first step of a decoder that is called once per step; the other steps must use the same path."""
    first = before = _way_to(graph, top.inputs[0])
    for t in range(1, len(top.inputs)):
        way = _way_to(graph, top.inputs[t], end=top.inputs[t - 1])
        layers, expected = ([graph.calls[output.call].layer for output in part[1:]] for part in (way, first))
        if [layer.place for layer in layers] != [layer.place for layer in expected] or way[0] != top.inputs[t - 1]:
            raise ModelFileError(
                f"step {t} that {top.layer.name!r} joins is not made of step {t - 1} as the others are"
            )
        for now, earlier in zip(way[1:], before[1:], strict=True):
            call = graph.calls[now.call]
            own = tuple(Output(earlier.call, 1 + k) for k in range(_N_STATES.get(call.layer.kind, 0)))
            if call.inputs[1:] != own:
                raise ModelFileError(f"layer {call.layer.name!r} does not go on from its own state at step {t}")
        before = way
    return first


def _giver(graph: Graph, call: Call) -> int:
    """The call whose whole last state is the initial state of a recurrent layer's call."""
    n_states = len(call.inputs) - 1
    parts = [_sides(graph, state) for state in call.inputs[1:]]
    giver = parts[0][0].call
    kind = graph.calls[giver].layer.kind
    for k, sides in enumerate(parts):
        wanted = [Output(giver, 1 + k + side * n_states) for side in range(2 if kind == "Bidirectional" else 1)]
        if kind not in (call.layer.kind, "Bidirectional") or sides != wanted:
            name, other = call.layer.name, graph.calls[sides[0].call].layer.name
            raise ModelFileError(
                f"layer {name!r} starts from a tensor of {other!r}; only the last state of one {call.layer.kind}, or "
                "of a Bidirectional with both directions joined, can be imported"
            )
    return giver


def _sides(graph: Graph, state: Output) -> list[Output]:
    """The tensors that are concatenated to one state: of both directions, or the tensor itself."""
    call = graph.calls[state.call]
    is_joined = call.layer.kind == "Concatenate" and call.layer.config.get("axis", -1) in (1, -1)
    return list(call.inputs) if is_joined else [state]


def _check_masks(graph: Graph, way: Sequence[Output]) -> None:
    """Raise ModelFileError if a layer's mask is not that of the Masking or Embedding layer before it."""
    masked: set[Output] = set()
    for _, call in _calls(graph, way):
        if call.layer.kind in ("Masking", "Embedding"):
            masked |= set(call.inputs)
        mask = call.mask
        while mask is not None and graph.calls[mask.call].layer.kind in ("Any", "NotEqual"):
            mask = graph.calls[mask.call].inputs[0]
        if mask is not None and mask not in masked:
            raise ModelFileError(f"layer {call.layer.name!r} has a mask that no Masking or Embedding before it makes")


def _calls(graph: Graph, way: Sequence[Output]) -> list[tuple[int, Call]]:
    return [(k, graph.calls[output.call]) for k, output in enumerate(way)]


def _stops(graph: Graph, way: Sequence[Output]) -> list[Stop]:
    """The stops of a path, without the InputLayer."""
    return [Stop(graph.calls[output.call].layer, output.number > 0) for output in way[1:]]


def _shifted(starts: Mapping[int, int], by: int) -> dict[int, int]:
    return {k + by: giver + by for k, giver in starts.items()}


def _checked(route: Route) -> Route:
    """The route, after a check that no layer occurs twice."""
    seen: set[str] = set()
    for stop in route.stops:
        if stop.layer.place in seen:
            raise ModelFileError(
                f"layer {stop.layer.name!r} ({stop.layer.kind}) is used more than once; shared layers cannot be "
                "imported"
            )
        seen.add(stop.layer.place)
    return route
