"""The way through a Keras graph as a chain of explicit layers, and its weights by the names of the chain's modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..errors import ModelFileError
from ..model.chains.feedback import unfit_for_feedback
from ..model.chains.plan import ChainLayer
from ..model.plans import DataShape
from .keras_graph import KerasLayer
from .keras_layers import Flow, links_of, parameters_of
from .keras_route import Route, Stop


@dataclass(frozen=True, slots=True)
class KerasChain:
    """links: the chain. layers: the Keras layer of each link, None for one that stands for no layer.

    middle: the link that begins the decoder. mask: what a layer of the decoder takes for padding, if one does.
    """

    links: tuple[ChainLayer, ...]
    layers: tuple[KerasLayer | None, ...]
    middle: int
    latent_size: int
    shape: DataShape
    mask: float | None = None


def chain_of(route: Route) -> KerasChain:
    """The links of an autoencoder.

    Raises ModelFileError, naming the layer, for what cannot be imported, and for a model that is no autoencoder.
    """
    source = _flow_of(route.source)
    n_symbols = _n_symbols(route.stops[0]) if route.stops else None
    if route.n_encoder is not None:
        return _with_feedback(route, source, n_symbols, route.n_encoder)
    links, layers, flows = _links(route.stops, route.starts, source, {})
    first = next((k for k, link in enumerate(links) if link.begins_decoder), None)
    if not first:
        raise ModelFileError(
            "no layer makes one vector of each sequence before a RepeatVector or Reshape; the model is no autoencoder "
            "with a latent vector"
        )
    for link, layer in zip(links[first:], layers[first:], strict=True):
        if link.kind in ("mask", "embedding"):
            raise ModelFileError(f"layer {layer.name!r} ({layer.kind}) cannot be imported behind the vector")
    _check_writes(flows[-1], source, n_symbols, layers[-1], links[-1])
    _check_steps(flows[-1], source)
    shape = DataShape(1 if n_symbols else source.width, _cut_steps(links), n_symbols)
    if route.starts:
        return KerasChain(tuple(links), tuple(layers), first, _states_size(links), shape)
    middle = _vector_place(layers, flows, first)
    size = flows[middle].width
    if middle == first:
        return KerasChain(tuple(links), tuple(layers), first, size, shape)
    marked = (*links[:middle], ChainLayer(kind="latent"), *links[middle:])
    return KerasChain(marked, (*layers[:middle], None, *layers[middle:]), middle, size, shape)


def parameters_of_chain(chain: KerasChain, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """All weights under the names of the model's modules."""
    found: dict[str, np.ndarray] = {}
    first = chain.middle + (1 if chain.links[chain.middle].kind in ("latent", "feedback") else 0)
    for k, (link, layer) in enumerate(zip(chain.links, chain.layers, strict=True)):
        prefix = f"encoder.links.{k}." if k < chain.middle else f"decoder.links.{k - first}."
        if layer is not None:
            found |= {prefix + name: array for name, array in parameters_of(layer, link, arrays).items()}
    return found


def _with_feedback(route: Route, source: Flow, n_symbols: int | None, n_encoder: int) -> KerasChain:
    """An encoder that hands over states to a decoder that reads the step before."""
    places: dict[int, int] = {}
    links, layers, _ = _links(route.stops[:n_encoder], {}, source, places)
    behind, layers_behind, flows = _links(route.stops[n_encoder:], route.starts, source, places)
    mask = next((link.value for link in behind if link.kind == "mask"), None)
    kept = [k for k, link in enumerate(behind) if link.kind != "mask"]
    behind, layers_behind = [behind[k] for k in kept], [layers_behind[k] for k in kept]
    unfit = unfit_for_feedback(behind)
    if unfit is not None:
        layer = layers_behind[unfit[0]]
        raise ModelFileError(
            f"layer {layer.name!r} ({layer.kind}) {unfit[1]}, so the decoder cannot read its own output"
        )
    _check_writes(flows[-1], source, n_symbols, layers_behind[-1], behind[-1])
    if n_symbols and _n_symbols(route.stops[n_encoder]) != n_symbols:
        raise ModelFileError(
            f"layer {layers_behind[0].name!r} must embed the {n_symbols} symbols of the encoder's input"
        )
    chain = (*links, ChainLayer(kind="feedback", feedback=route.feedback), *behind)
    shape = DataShape(1 if n_symbols else source.width, None, n_symbols)
    return KerasChain(chain, (*layers, None, *layers_behind), len(links), _states_size(chain), shape, mask)


def _links(
    stops: Sequence[Stop], starts: Mapping[int, int], flow: Flow, places: dict[int, int]
) -> tuple[list[ChainLayer], list[KerasLayer], list[Flow]]:
    """The links, the layer of each, and what flows before each link and at last.

    places: of the link of each stop in its chain, stop by stop; those of the stops are added.
    """
    links: list[ChainLayer] = []
    layers: list[KerasLayer] = []
    flows, is_masked = [flow], False
    for k, stop in enumerate(stops, len(places)):
        for link in links_of(stop.layer, flows[-1]):
            if link.is_recurrent and stop.gives_state:
                link = replace(link, returns_steps=False)
            if link.is_recurrent and k in starts:
                link = replace(link, starts_from=places[starts[k]])
            is_masked = (is_masked or link.kind == "mask") and not flows[-1].is_vector
            _check_fits(link, flows[-1], stop.layer, is_masked=is_masked)
            links.append(link)
            layers.append(stop.layer)
            after = flows[-1].after(link)
            flows.append(replace(after, n_steps=int(stop.layer.config["n"])) if link.kind == "repeat" else after)
        places[k] = len(links) - 1
    return links, layers, flows


def _check_fits(link: ChainLayer, flow: Flow, layer: KerasLayer, *, is_masked: bool) -> None:
    needs_vector = link.kind in ("repeat", "reshape")
    if (needs_vector and not flow.is_vector) or (flow.is_vector and (link.is_recurrent or link.kind == "mask")):
        raise ModelFileError(f"layer {layer.name!r} ({layer.kind}) reads {'a vector' if flow.is_vector else 'steps'}")
    hides_last = layer.config.get("zero_output_for_mask") and not link.returns_steps
    if is_masked and link.is_recurrent and (hides_last or (link.direction == "backward" and link.returns_steps)):
        raise ModelFileError(
            f"layer {layer.name!r} reads masked steps with {'zero_output_for_mask' if hides_last else 'go_backwards'}, "
            "where Keras uses the mask for other steps than those that it stands for; that cannot be imported"
        )


def _vector_place(layers: Sequence[KerasLayer], flows: Sequence[Flow], first: int) -> int:
    """Which of the vectors before the layer that spreads them is the latent one.

    The one that passes from one model within the model to another; else the smallest; of equal ones the last.
    """
    places = [first]
    while flows[places[0] - 1].is_vector:
        places.insert(0, places[0] - 1)
    between = [k for k in places if layers[k - 1].model != layers[k].model]
    return min(reversed(between or places), key=lambda k: flows[k].width)


def _states_size(links: Sequence[ChainLayer]) -> int:
    """Values of all states that are handed over."""
    return sum(links[k].state_size for k in {link.starts_from for link in links} if k is not None)


def _check_writes(flow: Flow, source: Flow, n_symbols: int | None, layer: KerasLayer, link: ChainLayer) -> None:
    """Raise ModelFileError for a model that does not write what it reads."""
    if flow.is_vector:
        raise ModelFileError(f"the model ends in layer {layer.name!r} with one vector, not with steps")
    if n_symbols and (flow.width != n_symbols or link.activation not in ("softmax", "sigmoid")):
        raise ModelFileError(
            f"the last layer {layer.name!r} must give the probability of each of {n_symbols} symbols, by a Dense with "
            f"softmax; it gives {flow.width} values with {link.activation}"
        )
    if not n_symbols and flow.width != source.width:
        raise ModelFileError(
            f"the last layer {layer.name!r} writes {flow.width} channels, but the model reads {source.width}; it is no "
            "autoencoder"
        )


def _check_steps(flow: Flow, source: Flow) -> None:
    """Raise ModelFileError for a model that writes fewer or more steps than it reads, such as a forecast."""
    if None not in (source.n_steps, flow.n_steps) and flow.n_steps != source.n_steps:
        raise ModelFileError(f"the model reads {source.n_steps} steps, but writes {flow.n_steps}; it is no autoencoder")


def _cut_steps(links: Sequence[ChainLayer]) -> int | None:
    """The steps that all sequences must have, where the vector is cut into them or made of them."""
    return next((link.shape[0] for link in reversed(links) if link.shape is not None), None)


def _flow_of(source: KerasLayer) -> Flow:
    """What an InputLayer gives: (steps, channels), or tokens."""
    shape: Any = source.config.get("batch_shape") or source.config.get("batch_input_shape")
    if not isinstance(shape, list) or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] is None):
        raise ModelFileError(
            f"layer {source.name!r} must give (steps, channels), or steps of tokens, but its shape is {shape}"
        )
    return Flow(False, None if shape[1] is None else int(shape[1]), int(shape[2]) if len(shape) == 3 else 1)


def _n_symbols(stop: Stop) -> int | None:
    return int(stop.layer.config["input_dim"]) if stop.layer.kind == "Embedding" else None
