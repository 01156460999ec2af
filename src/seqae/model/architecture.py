"""Which model: a frozen description of encoder, latent vector, decoder and head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

from ..errors import InvalidParameter
from ..parameters import check_choice, check_count, check_fraction

CHOICES: dict[str, tuple[str, ...]] = {
    "activation": ("tanh", "relu"),
    "summary": ("final", "states", "top_state", "pooled"),
    "latent_as": ("input", "state", "first_state", "steps"),
    "feedback": ("none", "teacher", "scheduled", "own"),
    "readout": ("dense", "none", "final"),
}
"""What the fields that name something may be."""


ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "softmax", "elu", "selu", "softplus", "gelu", "silu")
"""What a dense layer of a chain may end in."""

LAYER_KINDS = (
    "lstm", "gru", "dense", "embedding", "dropout", "mask", "flatten", "latent", "repeat", "reshape", "feedback"
)  # fmt: skip
"""What a layer of a chain may be."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChainLayer:
    """One layer of a chain.

    kind: "lstm", "gru"; "dense" (of a vector or of each step); "embedding" of tokens; "dropout"; "mask" leaves out the
        steps whose every value is `value`; "flatten" joins all steps to a vector. The decoder begins at the first
        "latent" (the vector is here), "repeat" (the vector at every step), "reshape" (the vector cut into steps) or
        "feedback" (the step before; the vector is then the states that decoder layers start from).
    size: units, or the values that stand for a symbol.
    activation: of a recurrent cell ("tanh" or "relu") or of a dense layer (one of ACTIVATIONS).
    direction: of a recurrent layer: "forward", "backward" (outputs in the order in which they came), or "both".
    merge: how both directions join: "concat", "sum", "mul" or "ave".
    returns_steps: whether a recurrent layer gives all outputs or the last one.
    starts_from: of a recurrent decoder layer: the place in the chain, counted from 0, of the recurrent encoder layer
        whose last state is its first, both directions side by side. None is zeros.
    n_biases: learnt ones, 0 to 2 (b_ih and b_hh) of a recurrent layer, 0 or 1 of a dense one.
    shape: (steps, width) of a reshape or flatten. rate: of a dropout. value: of a mask.
    feedback: the step before is the true one in training and its own output afterwards ("teacher"), or always "own".

    Raises InvalidParameter for a value out of range.
    """

    kind: Literal[
        "lstm", "gru", "dense", "embedding", "dropout", "mask", "flatten", "latent", "repeat", "reshape", "feedback"
    ]
    size: int = 1
    activation: str = "tanh"
    direction: Literal["forward", "backward", "both"] = "forward"
    merge: Literal["concat", "sum", "mul", "ave"] = "concat"
    returns_steps: bool = True
    starts_from: int | None = None
    n_biases: int = 2
    shape: tuple[int, int] | None = None
    rate: float = 0.0
    value: float = 0.0
    feedback: Literal["teacher", "own"] = "own"

    def __post_init__(self) -> None:
        check_choice("ChainLayer.kind", self.kind, LAYER_KINDS)
        check_count("ChainLayer.size", self.size)
        check_choice("ChainLayer.activation", self.activation, ("tanh", "relu") if self.is_recurrent else ACTIVATIONS)
        check_choice("ChainLayer.direction", self.direction, ("forward", "backward", "both"))
        check_choice("ChainLayer.merge", self.merge, ("concat", "sum", "mul", "ave"))
        check_choice("ChainLayer.n_biases", self.n_biases, (0, 1, 2))
        check_fraction("ChainLayer.rate", self.rate)
        check_choice("ChainLayer.feedback", self.feedback, ("teacher", "own"))
        if self.starts_from is not None:
            check_count("ChainLayer.starts_from", self.starts_from, least=0)
        if (self.kind in ("reshape", "flatten")) != (self.shape is not None):
            raise InvalidParameter(
                f"ChainLayer.shape is for 'reshape' and 'flatten', got {self.shape!r}: {self.kind!r}"
            )
        if self.shape is not None:
            object.__setattr__(self, "shape", as_sizes("ChainLayer.shape", self.shape, count=2))

    def __repr__(self) -> str:
        """What differs from the defaults."""
        return f"ChainLayer({_own_fields(self)})"

    @property
    def is_recurrent(self) -> bool:
        """Whether it is an LSTM or GRU layer."""
        return self.kind in ("lstm", "gru")

    @property
    def output_size(self) -> int:
        """Values of each output of a recurrent layer."""
        return self.size * (2 if self.direction == "both" and self.merge == "concat" else 1)

    @property
    def state_size(self) -> int:
        """Values of a recurrent layer's last state, of both directions together."""
        return self.size * (2 if self.kind == "lstm" else 1) * (2 if self.direction == "both" else 1)

    @property
    def begins_decoder(self) -> bool:
        """Whether what comes before, and no other such layer, is the encoder."""
        return self.kind in ("latent", "repeat", "reshape", "feedback")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Architecture:
    """The finer choices of a sequence autoencoder; sizes that are None follow the estimator's parameters.

    Encoder:
    encoder_sizes: units of each encoder layer, first to last; None is (hidden_size,) * n_layers.
    encoder_multiples: the same as multiples of latent_size, in place of encoder_sizes.
    n_layers: layers on each side, in place of the estimator's; not beside encoder_sizes or encoder_multiples.
    activation: of candidate and output in every cell; "relu" is what many Keras tutorials use.
    is_bidirectional: whether the encoder also reads each sequence from its end (Schuster & Paliwal 1997); the two
        final states are joined.
    embedding_size: values that stand for a token; data of tokens needs it, other data must not have it.
    strides: of convolutions over time around the recurrent layers; (4, 2) makes eight steps one.
    matrix_shape: (rows, columns) of each step, whose channels are the matrix row by row: 3 x 3 convolutions with
        stride 2 read each step, and transposed ones write it.
    dropout: fraction of the values between layers that training sets to zero (Zaremba 2014, 1409.2329).
    noise: standard deviation of Gaussian noise on the input in training, in scaled units; the target stays clean.
    dropped_steps: fraction of the input steps that training sets to zero; the target stays whole.

    Latent vector:
    summary: what of the encoder makes the vector: the top layer's "final" hidden state; h and c of all layers
        ("states") or of the last ("top_state"); the mean of the top layer's outputs ("pooled").
    has_projection: whether a linear map makes latent_size values of the summary, and another one the decoder's first
        state of those; without, the sizes must agree.
    kl_weight: of the divergence from a standard normal, per value of the vector; above 0 the model is variational.
    kl_annealing: fraction of the training over which that weight rises from 0 (Bowman 2016).
    length_weight: of the squared error of the length head (in usual units of length). Where it is above 0, a projected
        vector also has a direction for the length of what was encoded; 0 is none of both.

    Decoder:
    decoder_sizes: units of each decoder layer, first to last; None is the encoder's in reverse, or as they are
        where states are handed over without a projection.
    latent_as: what the vector is to the decoder: its "input" at every step, the first "state" of every layer or of
        the first layer ("first_state"), or its "steps" (the vector reshaped, for sequences of one length).
    feedback: what the decoder reads beside it: "none"; the true step before in training and its own output
        afterwards ("teacher"); the true one ever less often ("scheduled"); always its "own" output.
    dropped_feedback: fraction of the true steps that are hidden from a taught decoder (Bowman 2016).
    has_attention: whether the decoder also attends over all of the encoder's outputs (Luong 2015, 1508.04025).
    is_reversed: whether the decoder writes the sequence from its end.
    readout: "dense" maps each output to a step; with "none" the last layer is as wide as the data; with "final" its
        last state is reshaped to all steps, and each mapped (only with latent_as="steps").
    is_tied: whether decoder layers share their recurrent weights with the encoder layers that they mirror.
    sampled_symbols: of larger vocabularies, how many wrong symbols each training step is compared with.

    What it is trained to tell:
    has_reconstruction: whether one decoder reconstructs the input.
    predicted_steps: how many steps another decoder predicts. Training holds them back from each sequence's end.
    preceding_steps: the same at each sequence's start.
    horizon_annealing: fraction of the training over which the steps to predict grow from the first to all
        predicted_steps: a long free-running continuation is learnt from its beginning (Bengio 2009, curriculum).

    chain: explicit ChainLayers, as seqae.interop.keras.load_keras() finds them; all other fields then stay at their
        defaults.

    Raises InvalidParameter for a value out of range and for fields that contradict each other.
    """

    encoder_sizes: tuple[int, ...] | None = None
    encoder_multiples: tuple[int, ...] | None = None
    n_layers: int | None = None
    activation: Literal["tanh", "relu"] = "tanh"
    is_bidirectional: bool = True
    embedding_size: int | None = None
    strides: tuple[int, ...] = ()
    matrix_shape: tuple[int, int] | None = None
    dropout: float = 0.0
    noise: float = 0.0
    dropped_steps: float = 0.0
    summary: Literal["final", "states", "top_state", "pooled"] = "final"
    has_projection: bool = True
    kl_weight: float = 0.0
    kl_annealing: float = 0.5
    length_weight: float = 0.1
    decoder_sizes: tuple[int, ...] | None = None
    latent_as: Literal["input", "state", "first_state", "steps"] = "input"
    feedback: Literal["none", "teacher", "scheduled", "own"] = "none"
    dropped_feedback: float = 0.0
    has_attention: bool = False
    is_reversed: bool = False
    readout: Literal["dense", "none", "final"] = "dense"
    is_tied: bool = False
    sampled_symbols: int = 1024
    has_reconstruction: bool = True
    predicted_steps: int = 0
    preceding_steps: int = 0
    horizon_annealing: float = 0.5
    chain: tuple[ChainLayer, ...] | None = None

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            check_choice(f"Architecture.{name}", getattr(self, name), choices)
        for name in ("encoder_sizes", "encoder_multiples", "decoder_sizes", "matrix_shape"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, as_sizes(f"Architecture.{name}", getattr(self, name)))
        if self.matrix_shape is not None:
            as_sizes("Architecture.matrix_shape", self.matrix_shape, count=2)
        if self.strides != ():
            object.__setattr__(self, "strides", as_sizes("Architecture.strides", self.strides))
        if self.chain is not None:
            object.__setattr__(self, "chain", tuple(_as_layer(layer) for layer in self.chain))
        for name, least in (("sampled_symbols", 1), ("predicted_steps", 0), ("preceding_steps", 0)):
            check_count(f"Architecture.{name}", getattr(self, name), least=least)
        for name in ("n_layers", "embedding_size"):
            if getattr(self, name) is not None:
                check_count(f"Architecture.{name}", getattr(self, name))
        for name in ("dropout", "dropped_steps", "kl_annealing", "horizon_annealing"):
            check_fraction(f"Architecture.{name}", getattr(self, name))
        _check_weights(self)
        _check_fit(self)

    def __repr__(self) -> str:
        """What differs from the defaults."""
        return f"Architecture({_own_fields(self)})"

    @property
    def is_variational(self) -> bool:
        """Whether the latent vector is drawn from a distribution in training."""
        return self.kl_weight > 0

    @property
    def takes_symbols(self) -> bool:
        """Whether the steps are symbols, which an embedding reads, rather than vectors."""
        return self.embedding_size is not None or (bool(self.chain) and self.chain[0].kind == "embedding")

    @property
    def own_sizes(self) -> tuple[str, ...]:
        """Which of the estimator's hidden_size and n_layers it decides itself."""
        if self.encoder_sizes is not None or self.encoder_multiples is not None or self.chain is not None:
            return ("hidden_size", "n_layers")
        return () if self.n_layers is None else ("n_layers",)

    @property
    def n_held_back(self) -> int:
        """Steps of each sequence that training predicts from the others."""
        return self.predicted_steps + self.preceding_steps


def _check_weights(architecture: Architecture) -> None:
    for name in ("noise", "kl_weight", "length_weight", "dropped_feedback"):
        value = getattr(architecture, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise InvalidParameter(f"Architecture.{name} must be a number of at least 0, got {value!r}")
    if architecture.dropped_feedback > 1:
        raise InvalidParameter(
            f"Architecture.dropped_feedback must be from 0 to 1, got {architecture.dropped_feedback!r}"
        )


def _check_fit(a: Architecture) -> None:
    """Raise InvalidParameter, in one line, for fields that contradict each other."""
    is_taught = a.feedback in ("teacher", "scheduled")
    hands_over_states = a.latent_as in ("state", "first_state") and not a.has_projection
    contradictions = {
        "encoder_sizes, encoder_multiples and n_layers say the same thing; give one": sum(
            part is not None for part in (a.encoder_sizes, a.encoder_multiples, a.n_layers)
        )
        > 1,
        "feedback needs latent_as='state' or 'first_state'": a.feedback != "none"
        and a.latent_as not in ("state", "first_state"),
        "dropped_feedback needs feedback='teacher' or 'scheduled'": a.dropped_feedback > 0 and not is_taught,
        "has_attention needs feedback='none' and latent_as 'input' or 'state'": a.has_attention
        and (a.feedback != "none" or a.latent_as in ("first_state", "steps")),
        "has_attention needs summary='pooled', so that the vector is in place of the outputs it stands for": (
            a.has_attention and a.summary != "pooled"
        ),
        "has_attention and strides do not go together": a.has_attention and bool(a.strides),
        "strides and matrix_shape need feedback='none'": (bool(a.strides) or a.matrix_shape is not None)
        and a.feedback != "none",
        "strides, matrix_shape and has_attention need readout='dense'": a.readout != "dense"
        and (bool(a.strides) or a.matrix_shape is not None or a.has_attention),
        "strides and matrix_shape are for vectors, embedding_size is for tokens": a.embedding_size is not None
        and (bool(a.strides) or a.matrix_shape is not None),
        "embedding_size needs feedback 'none', 'teacher' or 'scheduled', and readout='dense'": (
            a.embedding_size is not None and (a.feedback == "own" or a.readout != "dense")
        ),
        "noise is for vectors; tokens take dropped_steps": a.noise > 0 and a.embedding_size is not None,
        "readout='final' needs latent_as='steps'": a.readout == "final" and a.latent_as != "steps",
        "latent_as='steps' takes neither strides nor held-back steps": a.latent_as == "steps"
        and (bool(a.strides) or a.n_held_back > 0),
        "is_bidirectional states cannot be handed over without a projection": hands_over_states and a.is_bidirectional,
        "a variational model needs has_projection=True": a.is_variational and not a.has_projection,
        "a model without has_reconstruction needs predicted_steps or preceding_steps": not a.has_reconstruction
        and a.n_held_back == 0,
        "chain says everything; leave the other fields at their defaults": a.chain is not None
        and any(getattr(a, f.name) != f.default for f in fields(a) if f.name not in ("chain", "length_weight")),
    }
    for message, is_true in contradictions.items():
        if is_true:
            raise InvalidParameter(f"Architecture: {message}")


def _own_fields(value: ChainLayer | Architecture) -> str:
    """The fields that differ from their defaults, as arguments."""
    own = ((field.name, getattr(value, field.name), field.default) for field in fields(value))
    return ", ".join(f"{name}={value!r}" for name, value, default in own if value != default)


def _as_layer(layer: ChainLayer | Mapping[str, Any]) -> ChainLayer:
    return layer if isinstance(layer, ChainLayer) else ChainLayer(**layer)


def as_sizes(name: str, sizes: object, *, count: int | None = None) -> tuple[int, ...]:
    """A tuple of whole numbers of at least 1, `count` of them if that is given."""
    if (
        not isinstance(sizes, list | tuple)
        or not sizes
        or (count is not None and len(sizes) != count)
        or not all(isinstance(s, int) and not isinstance(s, bool) and s >= 1 for s in sizes)
    ):
        raise InvalidParameter(f"{name} must be a tuple of {count or ''} whole numbers of at least 1, got {sizes!r}")
    return tuple(sizes)
