"""The frozen description of a chain of layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...errors import InvalidParameter
from ...parameters import check_choice, check_count, check_fraction
from ..plans import LATENT_SIZE, DataShape, Described, Plan, as_sizes, check_part, check_weight

ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "softmax", "elu", "selu", "softplus", "gelu", "silu")
"""Activations of a dense layer in a chain."""

LAYER_KINDS = (
    "lstm", "gru", "dense", "embedding", "dropout", "mask", "flatten", "latent", "repeat", "reshape", "feedback"
)  # fmt: skip
"""Kinds of layers in a chain."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ChainLayer(Described):
    """One layer of a chain.

    kind: "lstm", "gru"; "dense" (of a vector or of each step); "embedding" of tokens; "dropout"; "mask" removes
        steps whose values all equal `value`; "flatten" joins all steps to a vector. The decoder begins at the first
        "latent" (the vector is here), "repeat" (the vector at every step), "reshape" (the vector cut into steps) or
        "feedback" (the step before; the vector is then the initial states of decoder layers).
    size: units, or values of the vector of a token.
    activation: of a recurrent cell ("tanh" or "relu") or of a dense layer (one of ACTIVATIONS).
    direction: of a recurrent layer: "forward", "backward" (outputs in the order in which they came), or "both".
    merge: how both directions join: "concat", "sum", "mul" or "ave".
    returns_steps: whether a recurrent layer gives all outputs or the last one.
    starts_from: of a recurrent decoder layer: the place in the chain, counted from 0, of the recurrent encoder layer
        whose last state is its initial state, both directions concatenated. None is zeros.
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
        """Whether the layers before it are the encoder."""
        return self.kind in ("latent", "repeat", "reshape", "feedback")


@dataclass(frozen=True, slots=True, repr=False)
class ChainPlan(Plan):
    """Encoder and decoder layer by layer, as seqae.interop.keras.load_keras() finds them.

    length_weight: of the length head, see LatentPlan.
    """

    layers: tuple[ChainLayer, ...]
    length_weight: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        for k, layer in enumerate(self.layers):
            check_part(f"ChainPlan.layers[{k}]", layer, ChainLayer)
        if not self.middle:
            raise InvalidParameter(
                "ChainPlan.layers must be encoder layers and then a 'latent', 'repeat', 'reshape' or 'feedback' layer"
            )
        check_weight("ChainPlan.length_weight", self.length_weight)

    @property
    def middle(self) -> int:
        """The place of the layer that begins the decoder; 0 if no encoder precedes one."""
        return next((k for k, layer in enumerate(self.layers) if layer.begins_decoder), 0)

    @property
    def takes_symbols(self) -> bool:
        """See Plan.takes_symbols."""
        return any(layer.kind == "embedding" for layer in self.layers)

    @property
    def own_sizes(self) -> tuple[str, ...]:
        """See Plan.own_sizes."""
        return ("hidden_size", "n_layers")

    def usual_size(self, shape: DataShape, n_sequences: int) -> int:
        """See Plan.usual_size; the chain's own layers must agree."""
        return LATENT_SIZE
