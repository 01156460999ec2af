"""Encoder and decoder that a chain of explicit layers describes."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import InvalidParameter
from .architecture import ChainLayer
from .chain import ChainDecoder, ChainEncoder, Handover
from .feedback_chain import FeedbackChainDecoder
from .interface import Decoder
from .links import RecurrentLink


def chain_parts(
    chain: Sequence[ChainLayer], *, n_channels: int, latent_size: int, n_symbols: int | None
) -> tuple[ChainEncoder, Decoder]:
    """The encoder, and the decoder that begins at the first layer that begins one.

    Raises InvalidParameter where layers do not fit together or the vector has other than latent_size values.
    """
    middle = next((k for k, layer in enumerate(chain) if layer.begins_decoder), None)
    if not middle:
        raise InvalidParameter(
            "Architecture.chain must have encoder layers and then a 'latent', 'repeat', 'reshape' or 'feedback' layer"
        )
    behind = chain[middle + 1 :]
    sources = tuple(dict.fromkeys(layer.starts_from for layer in behind if layer.starts_from is not None))
    encoder = ChainEncoder(chain[:middle], n_channels, n_symbols, sources)
    size = encoder.handover.latent_size if sources else encoder.output_size
    if size != latent_size:
        raise InvalidParameter(
            f"the chain's vector has {size} values, but latent_size is {latent_size}; make them equal",
            parameter="latent_size",
        )
    takers = {k: sources.index(layer.starts_from) for k, layer in enumerate(behind) if layer.starts_from is not None}
    handover = Handover(sources, encoder.handover.sizes, takers)
    if chain[middle].kind == "feedback":
        decoder = FeedbackChainDecoder(
            behind,
            feedback=chain[middle].feedback,
            handover=handover,
            n_channels=n_channels,
            n_symbols=n_symbols,
        )
    else:
        decoder = _decoder(chain, middle, encoder, handover)
    _check_states(decoder, handover, chain[middle].kind)
    return encoder, decoder


def _decoder(chain: Sequence[ChainLayer], middle: int, encoder: ChainEncoder, handover: Handover) -> ChainDecoder:
    """A decoder that reads the vector, or, where states are handed over, the encoder's last hidden state."""
    specs = chain[middle + 1 :] if chain[middle].kind == "latent" else chain[middle:]
    if not handover.sources:
        return ChainDecoder(specs, encoder.output_size)
    last = middle - 1
    if chain[middle].kind != "repeat" or last not in handover.sources or chain[last].returns_steps:
        raise InvalidParameter(
            "where states are handed over, the vector is nothing else: the decoder must begin with 'feedback', or with "
            "a 'repeat' that follows on the last layer that hands over its state"
        )
    if chain[last].direction == "both" and chain[last].merge != "concat":
        raise InvalidParameter(f"the state is both directions side by side, but they are merged by {chain[last].merge}")
    shifted = Handover(handover.sources, handover.sizes, {k + 1: source for k, source in handover.takers.items()})
    return ChainDecoder(specs, encoder.output_size, handover=shifted, repeated=last)


def _check_states(decoder: ChainDecoder | FeedbackChainDecoder, handover: Handover, kind: str) -> None:
    """Raise InvalidParameter where a decoder layer's state has another size than the one that it starts from."""
    offset = 1 if kind == "repeat" else 0
    for k, source in handover.takers.items():
        link = decoder.links[k + offset]
        if not isinstance(link, RecurrentLink) or link.state_sizes != handover.sizes[source] or len(link.layers) > 1:
            raise InvalidParameter(
                f"layer {k} after {kind!r} starts from a state of {handover.sizes[source]} values, "
                "which does not fit it"
            )
