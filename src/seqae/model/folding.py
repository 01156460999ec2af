"""A free-running layer as an ordinary one: the feedback of its own linear output folds into the recurrence."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from ..recurrence import First, Readout, State, Weights, linear, recur_outputs
from ..sequences.ragged import Ragged
from .layer import RecurrentLayer


def fold(weights: Weights, readout: Readout) -> Weights:
    """With x(t) = W_o h(t-1) + b_o:   W_hh' = W_hh + W_ih W_o,   b_hh' = b_hh + W_ih b_o.

    Holds for an LSTM; in a GRU the reset gate stands between the two.
    """
    hidden = weights.hidden + weights.input @ readout.weight
    return Weights(weights.input, hidden, weights.input_bias, weights.hidden_bias + weights.input @ readout.bias)


def run_folded(layer: RecurrentLayer, first: Tensor, lengths: np.ndarray, state: State, readout: Readout) -> Ragged:
    """One LSTM layer on its own output: x(0) = first, x(t+1) = y(t) = W_o h(t) + b_o.

    The folded layer reads nothing but, at its first step, first - (W_o h(0) + b_o), which undoes the fold there.
    first: (n_sequences, n_channels). Returns y back to back, values (n_steps, n_channels).
    """
    correction = first - linear(state[0], readout.weight, readout.bias)
    return recur_outputs(layer.cell, First(correction, lengths), fold(layer.weights, readout), state, readout=readout)
