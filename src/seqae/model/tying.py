"""Decoder layers that share their recurrent weights with the encoder layers that they mirror."""

from __future__ import annotations

from ..errors import InvalidParameter
from .autoencoder import Autoencoder
from .decoder import RecurrentDecoder
from .encoder import RecurrentEncoder
from .layer import RecurrentLayer
from .stack import directions_of
from .symbols import SymbolDecoder


def tie(model: Autoencoder) -> None:
    """Make the decoders' parameters the encoder's own, where the architecture says so; needed again after loading.

    Decoder layer k mirrors encoder layer n - 1 - k, forward in time; where states are handed over, the first decoder
    layer is above the first state, so it mirrors encoder layer k. Raises InvalidParameter where their sizes differ.
    """
    if not model.architecture.is_tied or not isinstance(model.encoder, RecurrentEncoder):
        return
    forward_layers = [directions[0] for directions in directions_of(model.encoder.layers)]
    is_mirrored = model.architecture.has_projection or model.architecture.latent_as == "input"
    sources = forward_layers[::-1] if is_mirrored else forward_layers
    for decoder in (model.decoder, model.predictor, model.preceder):
        if isinstance(decoder, RecurrentDecoder | SymbolDecoder):
            stack: list[RecurrentLayer] = list(decoder.layers)  # pyright: ignore[reportAssignmentType]
            _tie_stacks(sources, stack)


def _tie_stacks(sources: list[RecurrentLayer], targets: list[RecurrentLayer]) -> None:
    source_sizes, target_sizes = ([layer.weight_hh.shape[1] for layer in stack] for stack in (sources, targets))
    if source_sizes != target_sizes:
        raise InvalidParameter(
            f"is_tied needs decoder layers of {source_sizes} units, as the encoder's, got {target_sizes}"
        )
    for source, target in zip(sources, targets, strict=True):
        target.weight_hh, target.bias_hh = source.weight_hh, source.bias_hh
