"""What a recurrent layer is made of: cell, weights, state, inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..errors import InvalidParameter

if TYPE_CHECKING:
    import numpy as np
    import torch

State = tuple["torch.Tensor", ...]
"""(h, c) of an LSTM or (h,) of a GRU, each (n_sequences, hidden_size)."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Which recurrence: Hochreiter & Schmidhuber 1997 (with forget gate) or Cho et al. 2014 (reset after the product).

    activation is what tanh is in the papers: of the candidate and of the LSTM's output; gates are always sigmoids.
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
        """Row blocks of the weights: i f g o of an LSTM, r z n of a GRU."""
        return 4 if self.kind == "lstm" else 3

    @property
    def n_states(self) -> int:
        """Tensors in a State."""
        return 2 if self.kind == "lstm" else 1


@dataclass(frozen=True, slots=True)
class Weights:
    """One layer's parameters, in torch's layout and gate order (i f g o; r z n), for G gates."""

    input: torch.Tensor  # (G * hidden_size, input_size)
    hidden: torch.Tensor  # (G * hidden_size, hidden_size)
    input_bias: torch.Tensor  # (G * hidden_size,)
    hidden_bias: torch.Tensor  # (G * hidden_size,)

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

    weight: torch.Tensor  # (n_channels, hidden_size)
    bias: torch.Tensor  # (n_channels,)


@dataclass(frozen=True, slots=True)
class Constant:
    """One input vector per sequence, the same at every step (a repeat-vector decoder's input)."""

    vectors: torch.Tensor  # (n_sequences, input_size); input_size may be 0: no input
    lengths: np.ndarray  # (n_sequences,) int64


@dataclass(frozen=True, slots=True)
class First:
    """One input vector per sequence, at the first step that is taken; the later ones have no input."""

    vectors: torch.Tensor  # (n_sequences, input_size)
    lengths: np.ndarray  # (n_sequences,) int64
