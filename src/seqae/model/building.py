"""The module that an Architecture describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from ..errors import InvalidParameter, InvalidSequence
from ..recurrence import Cell
from .architecture import ChainLayer
from .autoencoder import Autoencoder
from .chain_parts import chain_parts
from .convolution import ConvolutionReader, ConvolutionWriter
from .decoder import RecurrentDecoder
from .encoder import RecurrentEncoder, size_of_summary
from .interface import Decoder
from .latent import LengthHead
from .presets import Architecture, as_architecture
from .symbols import Embedding, SymbolDecoder
from .tying import tie

HIDDEN_SIZE, N_LAYERS = 64, 1
"""Where neither the architecture nor the estimator says."""


@dataclass(frozen=True, slots=True)
class DataShape:
    """What of the data the model's sizes follow. n_steps: of every sequence, None if they differ; n_symbols: of tokens.

    n_channels is 1 for tokens.
    """

    n_channels: int
    n_steps: int | None = None
    n_symbols: int | None = None


def build(
    architecture: str | Architecture,
    cell: str,
    *,
    n_channels: int,
    latent_size: int,
    hidden_size: int | None = None,
    n_layers: int | None = None,
    n_steps: int | None = None,
    n_symbols: int | None = None,
) -> Autoencoder:
    """The module that an architecture describes, its parameters all zero.

    hidden_size, n_layers: None is what the architecture says, else 64 and 1. n_steps, n_symbols: see DataShape.
    Raises InvalidParameter where sizes contradict each other, or where the architecture ignores one that is given.
    """
    plan = as_architecture(architecture)
    recurrent = Cell(cell, plan.activation)  # pyright: ignore[reportArgumentType]
    shape = DataShape(n_channels, n_steps, n_symbols)
    _check_unused(plan, hidden_size=hidden_size, n_layers=n_layers)
    if plan.chain is not None:
        return _build_chain(plan, plan.chain, shape, latent_size)
    encoder_sizes = _encoder_sizes(plan, latent_size, hidden_size, n_layers)
    _check(plan, recurrent, shape, encoder_sizes, latent_size)
    reader, input_size = _reader(plan, shape, encoder_sizes[0])
    encoder = RecurrentEncoder(
        plan, recurrent, encoder_sizes, input_size=input_size, latent_size=latent_size, reader=reader
    )
    sizes = _decoder_sizes(plan, shape, encoder_sizes)

    def decoder() -> Decoder:
        return _decoder(plan, recurrent, shape, sizes, latent_size)

    model = Autoencoder(
        plan,
        encoder,
        decoder() if plan.has_reconstruction else None,
        predictor=decoder() if plan.predicted_steps else None,
        preceder=decoder() if plan.preceding_steps else None,
        length_head=LengthHead(latent_size) if plan.length_weight else None,
    )
    tie(model)
    return model


def _build_chain(plan: Architecture, chain: tuple[ChainLayer, ...], shape: DataShape, latent_size: int) -> Autoencoder:
    """Encoder and decoder of explicit layers."""
    _check_kind(any(layer.kind == "embedding" for layer in chain), shape)
    encoder, decoder = chain_parts(
        chain, n_channels=shape.n_channels, latent_size=latent_size, n_symbols=shape.n_symbols
    )
    return Autoencoder(plan, encoder, decoder, length_head=LengthHead(latent_size) if plan.length_weight else None)


def _encoder_sizes(
    plan: Architecture, latent_size: int, hidden_size: int | None, n_layers: int | None
) -> tuple[int, ...]:
    if plan.encoder_multiples is not None:
        return tuple(multiple * latent_size for multiple in plan.encoder_multiples)
    return plan.encoder_sizes or (hidden_size or HIDDEN_SIZE,) * (plan.n_layers or n_layers or N_LAYERS)


def _check_unused(plan: Architecture, **sizes: int | None) -> None:
    """Raise InvalidParameter for a size that is given although the architecture decides it itself."""
    for name in plan.own_sizes:
        if sizes[name] is not None:
            raise InvalidParameter(
                f"{name}={sizes[name]} has no effect: this architecture decides it itself; leave {name} out"
            )


def _decoder_sizes(plan: Architecture, shape: DataShape, encoder_sizes: Sequence[int]) -> tuple[int, ...]:
    """Units of each decoder layer; where no readout follows, the last is as wide as what is written."""
    hands_over_states = plan.latent_as in ("state", "first_state") and not plan.has_projection
    default = encoder_sizes if hands_over_states else encoder_sizes[::-1]
    sizes = tuple(plan.decoder_sizes or default)
    if plan.decoder_sizes is not None or plan.readout == "dense":
        return sizes
    width = shape.n_channels if plan.readout == "none" else shape.n_channels * (shape.n_steps or 1)
    return (*sizes[:-1], width)


def _check(plan: Architecture, cell: Cell, shape: DataShape, encoder_sizes: Sequence[int], latent_size: int) -> None:
    summary_size = size_of_summary(plan, cell, encoder_sizes)
    if not plan.has_projection and summary_size != latent_size:
        raise InvalidParameter(
            f"without a projection the encoder's final state is the latent vector: it has {summary_size} values, "
            f"but latent_size is {latent_size}; make them equal or use has_projection=True",
            parameter="latent_size",
        )
    _check_kind(plan.embedding_size is not None, shape)
    if plan.latent_as == "steps":
        if shape.n_steps is None:
            raise InvalidSequence(
                "this architecture takes sequences of one length only; use architecture='repeat' for any lengths"
            )
        if latent_size % shape.n_steps:
            raise InvalidParameter(
                f"latent_size is reshaped to {shape.n_steps} steps, so it must be a multiple of {shape.n_steps}, "
                f"got {latent_size}",
                parameter="latent_size",
            )
    width = shape.n_channels * (shape.n_steps or 1) if plan.readout == "final" else shape.n_channels
    if plan.readout != "dense" and plan.decoder_sizes is not None and plan.decoder_sizes[-1] != width:
        raise InvalidParameter(
            f"with readout='{plan.readout}' the last decoder layer must have {width} units, "
            f"got decoder_sizes={plan.decoder_sizes}"
        )


def _check_kind(has_embedding: bool, shape: DataShape) -> None:
    if has_embedding and shape.n_symbols is None:
        raise InvalidSequence("X holds vectors; this architecture takes tokens (see Ragged.from_tokens)")
    if not has_embedding and shape.n_symbols is not None:
        raise InvalidSequence("X holds tokens; this architecture takes vectors of (n_steps, n_channels)")


def _reader(plan: Architecture, shape: DataShape, width: int) -> tuple[nn.Module | None, int]:
    """What stands before the encoder's layers, and the values of a step behind it."""
    if plan.embedding_size is not None and shape.n_symbols is not None:
        return Embedding(shape.n_symbols, plan.embedding_size), plan.embedding_size
    if plan.matrix_shape is not None or plan.strides:
        reader = ConvolutionReader(plan, shape.n_channels, width)
        return reader, reader.output_size
    return None, shape.n_channels


def _decoder(plan: Architecture, cell: Cell, shape: DataShape, sizes: Sequence[int], latent_size: int) -> Decoder:
    if shape.n_symbols is not None:
        return SymbolDecoder(
            plan, cell, sizes, latent_size=latent_size, n_symbols=shape.n_symbols, n_steps=shape.n_steps
        )
    has_writer = plan.matrix_shape is not None or bool(plan.strides)
    writer = ConvolutionWriter(plan, shape.n_channels, sizes[-1]) if has_writer else None
    return RecurrentDecoder(
        plan,
        cell,
        sizes,
        latent_size=latent_size,
        n_channels=shape.n_channels,
        n_steps=shape.n_steps,
        writer=writer,
    )
