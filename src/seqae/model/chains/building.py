"""Build the module of a chain of explicit layers."""

from __future__ import annotations

from collections.abc import Sequence

from ...errors import InvalidParameter
from ..autoencoder import Autoencoder, Objective
from ..interface import LengthHead
from ..plans import DataShape
from .feedback import FeedbackChainDecoder
from .links import Handover
from .parts import ChainDecoder, ChainEncoder
from .plan import ChainLayer, ChainPlan


def build_chain(plan: ChainPlan, cell: str, shape: DataShape, latent_size: int, *sizes: None) -> Autoencoder:
    """Encoder and decoder, layer by layer; the layers determine cell and sizes.

    Raises InvalidParameter if layers do not fit together or the vector does not have latent_size values.
    """
    encoder, decoder = _parts(plan.layers, plan.middle, shape)
    size = encoder.handover.latent_size if encoder.handover.sources else encoder.links.output_size
    if size != latent_size:
        raise InvalidParameter(
            f"the chain's vector has {size} values, but latent_size is {latent_size}; make them equal",
            parameter="latent_size",
        )
    return Autoencoder(
        plan,
        encoder,
        decoder,
        objective=Objective(length_weight=plan.length_weight),
        length_head=LengthHead(latent_size) if plan.length_weight else None,
    )


def _parts(
    chain: Sequence[ChainLayer], middle: int, shape: DataShape
) -> tuple[ChainEncoder, ChainDecoder | FeedbackChainDecoder]:
    """The encoder, and the decoder from the first layer that begins one."""
    behind = chain[middle + 1 :]
    sources = tuple(dict.fromkeys(layer.starts_from for layer in behind if layer.starts_from is not None))
    encoder = ChainEncoder(chain[:middle], shape.n_channels, shape.n_symbols, sources)
    takers = {k: sources.index(layer.starts_from) for k, layer in enumerate(behind) if layer.starts_from is not None}
    handover = Handover(sources, encoder.handover.sizes, takers)
    if chain[middle].kind == "feedback":
        decoder = FeedbackChainDecoder(
            behind,
            feedback=chain[middle].feedback,
            handover=handover,
            n_channels=shape.n_channels,
            n_symbols=shape.n_symbols,
        )
    else:
        decoder = _decoder(chain, middle, encoder, handover)
    _check_states(decoder, handover, chain[middle].kind)
    return encoder, decoder


def _decoder(chain: Sequence[ChainLayer], middle: int, encoder: ChainEncoder, handover: Handover) -> ChainDecoder:
    """A decoder that reads the vector or, if states are handed over, the encoder's last hidden state."""
    specs = chain[middle + 1 :] if chain[middle].kind == "latent" else chain[middle:]
    if not handover.sources:
        return ChainDecoder(specs, encoder.links.output_size)
    last = middle - 1
    if chain[middle].kind != "repeat" or last not in handover.sources or chain[last].returns_steps:
        raise InvalidParameter(
            "where states are handed over, the vector is nothing else: the decoder must begin with 'feedback', or with "
            "a 'repeat' that follows on the last layer that hands over its state"
        )
    if chain[last].direction == "both" and chain[last].merge != "concat":
        raise InvalidParameter(f"the state is both directions side by side, but they are merged by {chain[last].merge}")
    shifted = Handover(handover.sources, handover.sizes, {k + 1: source for k, source in handover.takers.items()})
    return ChainDecoder(specs, encoder.links.output_size, handover=shifted, repeated=last)


def _check_states(decoder: ChainDecoder | FeedbackChainDecoder, handover: Handover, kind: str) -> None:
    """Raise InvalidParameter if a decoder layer's state and its initial state differ in size."""
    offset = 1 if kind == "repeat" else 0
    for k, source in handover.takers.items():
        link = decoder.links.recurrent.get(k + offset)
        if link is None or link.state_sizes != handover.sizes[source] or len(link.layers) > 1:
            raise InvalidParameter(
                f"layer {k} after {kind!r} starts from a state of {handover.sizes[source]} values, "
                "which does not fit it"
            )
