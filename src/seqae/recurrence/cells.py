"""The data that cross the kernel boundary beside sequences: cells, weights, states, vectors as inputs, Adam's state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from ..errors import InvalidParameter

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor

State = tuple["torch.Tensor", ...]
"""(h, c) of an LSTM or (h,) of a GRU, each (n_sequences, hidden_size)."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Which recurrence: Hochreiter & Schmidhuber 1997 (with forget gate) or Cho et al. 2014 (reset after the product).

    activation: used for the candidate and the LSTM's output, tanh in the papers; gates always use sigmoids.
    """

    kind: Literal["lstm", "gru"] = "lstm"
    activation: Literal["tanh", "relu"] = "tanh"

    def __post_init__(self) -> None:
        if self.kind not in ("lstm", "gru"):
            raise InvalidParameter(f"cell must be 'lstm' or 'gru', got {self.kind!r}")
        if self.activation not in ("tanh", "relu"):
            raise InvalidParameter(f"activation must be 'tanh' or 'relu', got {self.activation!r}")

    @property
    def n_gates(self) -> int:
        """Number of gates, row blocks of the weights: i f g o in an LSTM, r z n in a GRU."""
        return 4 if self.kind == "lstm" else 3

    @property
    def n_states(self) -> int:
        """Tensors in a State."""
        return 2 if self.kind == "lstm" else 1


@dataclass(frozen=True, slots=True)
class Weights:
    """One layer's parameters, in torch's layout and gate order (i f g o; r z n), for G gates."""

    input: Tensor  # (G * hidden_size, input_size)
    hidden: Tensor  # (G * hidden_size, hidden_size)
    input_bias: Tensor  # (G * hidden_size,)
    hidden_bias: Tensor  # (G * hidden_size,)

    @property
    def input_size(self) -> int:
        """Values of one input step."""
        return int(self.input.shape[1])

    @property
    def hidden_size(self) -> int:
        """Units of the layer."""
        return int(self.hidden.shape[1])


@dataclass(frozen=True, slots=True)
class Readout:
    """A linear map of each hidden state: y = weight h + bias."""

    weight: Tensor  # (n_channels, hidden_size)
    bias: Tensor  # (n_channels,)


@dataclass(frozen=True, slots=True)
class Constant:
    """One input vector per sequence, the same at every step (a repeat-vector decoder's input)."""

    kind: ClassVar[Literal["constant"]] = "constant"
    starts: ClassVar[None] = None
    values: Tensor  # (n_sequences, input_size); input_size may be 0: no input
    lengths: np.ndarray  # (n_sequences,) int64


@dataclass(frozen=True, slots=True)
class First:
    """One input vector per sequence, for the first step in the direction of time; later steps have no input."""

    kind: ClassVar[Literal["first"]] = "first"
    starts: ClassVar[None] = None
    values: Tensor  # (n_sequences, input_size)
    lengths: np.ndarray  # (n_sequences,) int64


BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Adam's decay rates and epsilon, as in its paper."""


@dataclass(slots=True)
class AdamState:
    """Running moments of a flat parameter vector (Kingma & Ba 2015). first, second: (n_parameters,)."""

    first: Tensor
    second: Tensor
    n_updates: int = 0
