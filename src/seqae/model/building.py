"""The module that a description describes: everything about it is decided here, and the modules are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from ..errors import InvalidParameter, InvalidSequence
from ..parameters import check_count
from ..recurrence import Cell
from ..sequences.ragged import Ragged
from ..sequences.scaling import Scaling
from .architecture import Architecture
from .autoencoder import Autoencoder, Objective
from .chains.building import build_chain
from .chains.plan import ChainPlan
from .closed_form import FEWEST_VALUES, build_hybrid
from .convolution import ConvolutionReader, ConvolutionWriter
from .hybrid import Hybrid
from .interface import Decoder, LengthCode, LengthHead
from .layers import Embedding, LinearMap, RecurrentLayer, bidirectional_layers, layers
from .learnt import NGramValues, learnt_in
from .losses import Loss, as_loss
from .plans import DataShape, Plan
from .presets import AUTO, as_architecture, takes_symbols
from .recurrent import Attention, Conditioning, RecurrentDecoder, RecurrentEncoder, size_of_summary
from .symbols import SymbolDecoder


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a recurrent autoencoder is. encoder, decoder: units of each layer; cell: of all of them."""

    cell: Cell
    latent_size: int
    encoder: tuple[int, ...]
    decoder: tuple[int, ...]


def build(
    architecture: str | Plan,
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
    Raises InvalidParameter where sizes contradict each other, or where the architecture ignores one that is given;
    InvalidSequence for data that it does not take.
    """
    plan, shape = as_architecture(architecture), DataShape(n_channels, n_steps, n_symbols)
    plan.check_unused(hidden_size=hidden_size, n_layers=n_layers)
    if plan.takes_symbols and n_symbols is None:
        raise InvalidSequence("X holds vectors; this architecture takes tokens (see Ragged.from_tokens)")
    if not plan.takes_symbols and n_symbols is not None:
        raise InvalidSequence("X holds tokens; this architecture takes vectors of (n_steps, n_channels)")
    return _FAMILIES[type(plan)](plan, cell, shape, latent_size, hidden_size, n_layers)


class Begun(NamedTuple):
    """What training starts from. parameters: with what "auto" stood for; scaling: of a model that is continued, None of
    a new one.
    """

    shape: DataShape
    loss: Loss
    parameters: Mapping[str, Any]
    model: Autoencoder
    scaling: Scaling | None = None


def begin(parameters: Mapping[str, Any], sequences: Ragged, seed: int) -> Begun:
    """The model that the parameters of an estimator and its data describe, with initial weights."""
    architecture, shape = parameters["architecture"], DataShape.of(sequences)
    of_tokens = takes_symbols(architecture) or (architecture == AUTO and sequences.is_tokens)
    loss = as_loss(parameters["loss"], of_tokens=of_tokens)
    described = {**parameters, **chosen(architecture, parameters["latent_size"], loss, shape, len(sequences))}
    model = build_for(described, shape)
    model.initialise(seed)
    return Begun(shape, loss, described, model)


def chosen(
    architecture: str | Plan, latent_size: object, loss: Loss, shape: DataShape, n_sequences: int
) -> dict[str, Any]:
    """The parameters architecture and latent_size, where either is "auto".

    The architecture is hybrid_tokens for tokens (tokens for vectors of one value), and else hybrid, unless that cannot
    be: a closed form fits curves, so a loss of probabilities ("bce") takes repeat, and so do vectors of fewer than 3
    values. The size is what the architecture finds usual for such data, see Plan.usual_size. Raises InvalidParameter
    for what is neither "auto" nor one of these, and for a closed form with such a loss.
    """
    size = None if latent_size == AUTO else check_count("latent_size", latent_size)
    if architecture == AUTO:
        is_curve = loss.takes_scaled and (size is None or size >= FEWEST_VALUES)
        of_tokens = "tokens" if size == 1 else "hybrid_tokens"
        architecture = of_tokens if shape.n_symbols is not None else "hybrid" if is_curve else "repeat"
    plan = as_architecture(architecture)
    if plan.is_closed_form and not loss.takes_scaled:
        raise InvalidParameter(
            f"loss {loss.kind!r} is of probabilities, but a closed form writes curves; use loss='mse', or "
            "architecture='repeat'",
            parameter="loss",
        )
    size = plan.usual_size(shape, n_sequences) if size is None else size
    return {"architecture": architecture, "latent_size": size}


def build_for(parameters: Mapping[str, Any], shape: DataShape) -> Autoencoder:
    """The module that an estimator's parameters describe."""
    sizes = {name: parameters[name] for name in ("latent_size", "hidden_size", "n_layers")}
    return build(parameters["architecture"], parameters["cell"], **asdict(shape), **sizes)


def n_learnt(model: Autoencoder, *, is_trained: bool = True) -> int:
    """Numbers that a model learns: what closed forms hold, and its parameters, unless they are as they started."""
    closed = (buffer for part in learnt_in(model).values() for buffer in part.buffers())
    return sum(tensor.numel() for tensor in (*(model.parameters() if is_trained else ()), *closed))


def _build_recurrent(
    plan: Architecture, cell: str, shape: DataShape, latent_size: int, hidden_size: int | None, n_layers: int | None
) -> Autoencoder:
    counts, n_counts = plan.latent.counts, 0
    if counts is not None:
        n_counts, latent_size = latent_size - counts.decoding_of(latent_size), counts.decoding_of(latent_size)
    encoder_sizes = plan.encoder.layers.sizes(latent_size, hidden_size, n_layers)
    own = Cell(cell, plan.activation)  # pyright: ignore[reportArgumentType]
    sizes = Sizes(own, latent_size, encoder_sizes, _decoder_sizes(plan, shape, encoder_sizes))
    _check_sizes(plan, shape, sizes)
    encoder = _encoder(plan, shape, sizes, n_counts)
    task, latent = plan.training.task, plan.latent
    decoder, predictor, preceder = (
        _decoder(plan, shape, sizes) if is_wanted else None
        for is_wanted in (task.has_reconstruction, task.after, task.before)
    )
    decoders = [part for part in (decoder, predictor, preceder) if part is not None]
    for each in decoders if n_counts else ():
        each.n_read = latent_size
    return Autoencoder(
        plan,
        encoder,
        decoder,
        objective=_objective(plan),
        predictor=predictor,
        preceder=preceder,
        length_head=LengthHead(latent_size) if latent.length_weight else None,
        ties=[pair for part in decoders for pair in _ties(plan, encoder, part)] if plan.decoder.is_tied else (),
    )


def _objective(plan: Architecture) -> Objective:
    task, projection, feedback = plan.training.task, plan.latent.projection, plan.decoder.feedback
    return Objective(
        kl_weight=projection.kl_weight,
        kl_annealing=projection.kl_annealing,
        length_weight=plan.latent.length_weight,
        noise=plan.encoder.steps.noise,
        dropped_steps=plan.training.dropped_steps,
        after=task.after,
        before=task.before,
        horizon_annealing=task.horizon_annealing,
        is_scheduled=feedback is not None and feedback.is_scheduled,
    )


def _encoder(plan: Architecture, shape: DataShape, sizes: Sizes, n_counts: int) -> RecurrentEncoder:
    steps, latent, latent_size = plan.encoder.steps, plan.latent, sizes.latent_size
    reader, input_size = None, shape.n_channels
    if shape.n_symbols is not None:
        reader, input_size = Embedding(shape.n_symbols, steps.embedding_size), steps.embedding_size
    elif steps.are_convolved:
        reader = ConvolutionReader(steps.matrix_shape, steps.strides, shape.n_channels, sizes.encoder[0])
        input_size = reader.output_size
    summary_size, is_learnt = _summary_size(plan, sizes), latent.projection.is_learnt
    return RecurrentEncoder(
        bidirectional_layers(sizes.cell, input_size, sizes.encoder, is_bidirectional=plan.encoder.is_bidirectional),
        latent.summary,
        LinearMap(summary_size, latent_size) if is_learnt else None,
        reader=reader,
        n_symbols=shape.n_symbols,
        length_code=LengthCode(latent_size) if is_learnt and latent.length_weight > 0 else None,
        log_variance=LinearMap(summary_size, latent_size) if latent.projection.kl_weight > 0 else None,
        ngrams=NGramValues(n_counts) if n_counts else None,
        is_attended=plan.decoder.readout == "attention",
        dropout=plan.training.dropout,
    )


def _decoder(plan: Architecture, shape: DataShape, sizes: Sizes) -> Decoder:
    conditioning = Conditioning(
        sizes.cell,
        sizes.decoder,
        sizes.latent_size,
        latent_as=plan.decoder.latent_as,
        fills=plan.decoder.fills,
        has_map=plan.latent.projection.is_learnt,
        n_steps=shape.n_steps,
    )
    if shape.n_symbols is not None:
        return _symbol_decoder(plan, shape.n_symbols, sizes, conditioning)
    return _value_decoder(plan, shape.n_channels, sizes, conditioning)


def _symbol_decoder(plan: Architecture, n_symbols: int, sizes: Sizes, conditioning: Conditioning) -> SymbolDecoder:
    steps, is_fed = plan.encoder.steps, plan.decoder.feedback is not None
    return SymbolDecoder(
        conditioning,
        layers(sizes.cell, steps.embedding_size if is_fed else conditioning.input_size, sizes.decoder),
        LinearMap(sizes.decoder[-1], n_symbols),
        n_symbols=n_symbols,
        n_sampled=steps.sampled_symbols,
        embedding=Embedding(n_symbols, steps.embedding_size) if is_fed else None,
        feedback=plan.decoder.feedback,
        is_reversed=plan.decoder.is_reversed,
        dropout=plan.training.dropout,
    )


def _value_decoder(plan: Architecture, n_channels: int, sizes: Sizes, conditioning: Conditioning) -> RecurrentDecoder:
    steps, readout, top = plan.encoder.steps, plan.decoder.readout, sizes.decoder[-1]
    is_fed, is_attended = plan.decoder.feedback is not None, readout == "attention"
    writer = None
    if steps.are_convolved:
        writer = ConvolutionWriter(steps.matrix_shape, steps.strides, n_channels, top)
    head_input = n_channels if readout == "final" else top + (sizes.latent_size if is_attended else 0)
    head_size = n_channels if writer is None else writer.input_size
    return RecurrentDecoder(
        conditioning,
        layers(sizes.cell, n_channels if is_fed else conditioning.input_size, sizes.decoder),
        None if readout == "none" else LinearMap(head_input, head_size),
        n_channels=n_channels,
        feedback=plan.decoder.feedback,
        attention=Attention(top, sizes.latent_size) if is_attended else None,
        writer=writer,
        is_at_once=readout == "final",
        is_reversed=plan.decoder.is_reversed,
        dropout=plan.training.dropout,
    )


def _summary_size(plan: Architecture, sizes: Sizes) -> int:
    n_directions = 2 if plan.encoder.is_bidirectional else 1
    return size_of_summary(plan.latent.summary, sizes.encoder, sizes.cell.n_states, n_directions)


def _decoder_sizes(plan: Architecture, shape: DataShape, encoder_sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Units of each decoder layer; where no readout follows, the last is as wide as what is written."""
    if plan.decoder.units is not None:
        return plan.decoder.units
    sizes = encoder_sizes if plan.hands_over_states else encoder_sizes[::-1]
    width = _written_width(plan, shape)
    return sizes if width is None else (*sizes[:-1], width)


def _written_width(plan: Architecture, shape: DataShape) -> int | None:
    """Units that the last decoder layer must have; None where a readout takes any."""
    widths = {"none": shape.n_channels, "final": shape.n_channels * (shape.n_steps or 1)}
    return widths.get(plan.decoder.readout)


def _check_sizes(plan: Architecture, shape: DataShape, sizes: Sizes) -> None:
    summary_size, latent_size = _summary_size(plan, sizes), sizes.latent_size
    if not plan.latent.projection.is_learnt and summary_size != latent_size:
        raise InvalidParameter(
            f"without a projection the encoder's final state is the latent vector: it has {summary_size} values, "
            f"but latent_size is {latent_size}; make them equal or use projection=Linear()",
            parameter="latent_size",
        )
    if plan.decoder.latent_as == "steps":
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
    width = _written_width(plan, shape)
    if width is not None and sizes.decoder[-1] != width:
        raise InvalidParameter(
            f"with readout='{plan.decoder.readout}' the last decoder layer must have {width} units, "
            f"got units={plan.decoder.units}"
        )


def _ties(
    plan: Architecture, encoder: RecurrentEncoder, decoder: Decoder
) -> list[tuple[RecurrentLayer, RecurrentLayer]]:
    """Each decoder layer behind the encoder layer whose recurrent weights it has.

    Decoder layer k mirrors encoder layer n - 1 - k, forward in time; where states are handed over, the first decoder
    layer starts from the first state, so it has the weights of encoder layer k. Raises InvalidParameter where their
    sizes differ.
    """
    forward_layers = [directions[0] for directions in encoder.recurrent_layers]
    sources = forward_layers if plan.hands_over_states else forward_layers[::-1]
    targets = [layer for (layer,) in decoder.recurrent_layers]
    source_sizes, target_sizes = ([layer.weight_hh.shape[1] for layer in stack] for stack in (sources, targets))
    if source_sizes != target_sizes:
        raise InvalidParameter(
            f"is_tied needs decoder layers of {source_sizes} units, as the encoder's, got {target_sizes}"
        )
    return list(zip(sources, targets, strict=True))


_FAMILIES: Mapping[type[Plan], Callable[..., Autoencoder]] = {
    Architecture: _build_recurrent,
    ChainPlan: build_chain,
    Hybrid: build_hybrid,
}
"""What builds each family of descriptions."""
