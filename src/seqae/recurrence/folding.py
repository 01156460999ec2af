"""Fold the output feedback of a free-running LSTM layer into its recurrence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .backend import Backend
from .cells import Cell, First, Readout, State, Weights

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from ..sequences.ragged import Ragged


def is_foldable(cell: Cell, layers: Sequence[Weights]) -> bool:
    """Whether the feedback can be folded: in a GRU the reset gate prevents it, in a stack the other layers do."""
    return cell.kind == "lstm" and len(layers) == 1


def fold(weights: Weights, readout: Readout) -> Weights:
    """With x(t) = W_o h(t-1) + b_o:   W_hh' = W_hh + W_ih W_o,   b_hh' = b_hh + W_ih b_o."""
    hidden = weights.hidden + weights.input @ readout.weight
    return Weights(weights.input, hidden, weights.input_bias, weights.hidden_bias + weights.input @ readout.bias)


def recur_folded(
    backend: Backend,
    cell: Cell,
    first: Tensor,
    lengths: np.ndarray,
    layers: Sequence[Weights],
    states: Sequence[State],
    readout: Readout,
) -> Ragged:
    """As Backend.recur_feedback, for stacks that are foldable.

    The folded layer has one input, at its first step: first - (W_o h(0) + b_o), which cancels the fold there.
    """
    (weights,), (state,) = layers, states
    correction = First(first - backend.linear(state[0], readout.weight, readout.bias), lengths)
    return backend.recur_outputs(cell, correction, fold(weights, readout), state, readout=readout)
