"""Keras models that hand recurrent states from an encoder to a decoder that reads its own output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..composition import Architecture, ChainLayer
from ..errors import ModelFileError
from ..model import DataShape
from .archive import KerasArchive
from .keras_graph import CONTAINERS, KerasLayer, layers_of
from .keras_layers import link_of, parameters_of


@dataclass(frozen=True, slots=True)
class StateModel:
    """An encoder whose top layer's states start the first decoder layer, and its weights by our names."""

    architecture: Architecture
    shape: DataShape
    latent_size: int
    cell: str
    parameters: dict[str, np.ndarray]


def read_state_model(archive: KerasArchive) -> StateModel:
    """Encoder layers, the last with return_state; decoder layers and a Dense that Keras unrolled step by step.

    The vector is h and c of the encoder's top layer; the decoder starts from a step of zeros, as its second input is
    by custom. Raises ModelFileError where the graph is another.
    """
    encoder, decoder, dense = _parts(archive)
    encoder_links, decoder_links = ([_plain(layer) for layer in layers] for layers in (encoder, decoder))
    dense_link = link_of(dense, None)
    if dense_link is None or dense_link.activation != "linear":
        raise ModelFileError(f"layer {dense.name!r} must be linear, as a decoder's own output is its next input")
    first = encoder_links[0]
    if any((link.kind, link.activation) != (first.kind, first.activation) for link in [*encoder_links, *decoder_links]):
        raise ModelFileError("the recurrent layers differ in kind or activation, which cannot be imported here")
    if encoder_links[-1].size != decoder_links[0].size:
        raise ModelFileError("the encoder's top layer and the decoder's first must have equal units")
    architecture = Architecture(
        encoder_sizes=tuple(link.size for link in encoder_links),
        decoder_sizes=tuple(link.size for link in decoder_links),
        activation=first.activation,  # pyright: ignore[reportArgumentType]
        is_bidirectional=False,
        summary="top_state",
        has_projection=False,
        latent_as="first_state",
        feedback="own",
        length_weight=0.0,
    )
    parameters: dict[str, np.ndarray] = {"decoder.start": np.zeros(dense_link.size, np.float32)}
    for k, (layer, link) in enumerate(zip(encoder, encoder_links, strict=True)):
        parameters |= _renamed(parameters_of(layer, link, archive.arrays), f"encoder.layers.{k}.0.")
    for k, (layer, link) in enumerate(zip(decoder, decoder_links, strict=True)):
        parameters |= _renamed(parameters_of(layer, link, archive.arrays), f"decoder.layers.{k}.")
    head = parameters_of(dense, dense_link, archive.arrays)
    parameters |= {"decoder.head.weight": head["map.weight"], "decoder.head.bias": head["map.bias"]}
    latent_size = first_state_size(encoder_links[-1])
    return StateModel(architecture, DataShape(dense_link.size), latent_size, first.kind, parameters)


def first_state_size(link: ChainLayer) -> int:
    """Values of h and c, or of h alone."""
    return link.size * (2 if link.kind == "lstm" else 1)


def _parts(archive: KerasArchive) -> tuple[list[KerasLayer], list[KerasLayer], KerasLayer]:
    """Encoder layers, decoder layers, and the Dense on top."""
    outer = layers_of(archive.config)
    inner = [
        layer
        for model in outer
        if model.kind in CONTAINERS
        for layer in layers_of({"class_name": model.kind, "config": model.config}, model.place + "/")
    ]
    recurrent = [layer for layer in [*inner, *outer] if layer.kind in ("LSTM", "GRU")]
    for layer in [*inner, *outer]:
        if layer.kind not in ("InputLayer", "LSTM", "GRU", "Dense", "TimeDistributed", "Concatenate", *CONTAINERS):
            raise ModelFileError(f"layer {layer.name!r} is a {layer.kind}, which cannot stand in a model of states")
    is_decoder = [_is_unrolled(layer) or any(len(node) > 1 for node in layer.sources) for layer in recurrent]
    if not any(is_decoder):
        raise ModelFileError("no layer takes over states")
    middle = is_decoder.index(True)
    heads = [layer for layer in outer if layer.kind in ("Dense", "TimeDistributed")]
    if not middle or len(heads) != 1:
        raise ModelFileError("a model of states needs encoder layers, decoder layers and one Dense")
    if len(recurrent[middle].sources) < 2:
        raise ModelFileError(
            f"layer {recurrent[middle].name!r} reads a second input at every step; only decoders that read their own "
            "output can be imported"
        )
    return recurrent[:middle], recurrent[middle:], heads[0]


def _is_unrolled(layer: KerasLayer) -> bool:
    """Whether it is called once for every step."""
    return len(layer.sources) > 1


def _plain(layer: KerasLayer) -> ChainLayer:
    link = link_of(layer, None)
    if link is None or link.direction != "forward":
        raise ModelFileError(f"layer {layer.name!r} runs backwards, which cannot be imported in a model of states")
    return link


def _renamed(parameters: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {prefix + name.removeprefix("directions.0."): array for name, array in parameters.items()}
