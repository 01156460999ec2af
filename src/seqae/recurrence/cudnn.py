"""The recurrence on CUDA devices: torch's own LSTM and GRU over packed sequences, which cuDNN computes.

cuDNN has no relu LSTM and no free-running stacks: the reference computes these, on the same device.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from ..sequences.ragged import Ragged, back_to_back, owners_of
from .cells import Cell, Constant, First, Readout, State, Weights
from .reference import layers
from .reference.layers import recur_feedback, recur_symbols
from .reference.operations import (
    adam_step,
    attend,
    concatenate,
    gather,
    linear,
    mean_loss,
    standardised_lengths,
    weighted_sum,
)

__all__ = [
    "adam_step",
    "attend",
    "concatenate",
    "gather",
    "linear",
    "mean_loss",
    "recur",
    "recur_feedback",
    "recur_outputs",
    "recur_state",
    "recur_symbols",
    "standardised_lengths",
    "weighted_sum",
]


def recur(
    cell: Cell,
    inputs: Ragged | Constant | First,
    weights: Weights,
    state: State | None = None,
    *,
    reverse: bool = False,
    readout: Readout | None = None,
) -> tuple[Ragged, State]:
    """See Backend.recur."""
    if cell.activation != "tanh" or not inputs.lengths.any() or weights.input_size == 0:
        return layers.recur(cell, inputs, weights, state, reverse=reverse, readout=readout)
    order = layers.longest_first(inputs.lengths)
    packed_rows = layers.time_major_rows(inputs.lengths[order], order, reverse)  # of each step in Ragged order
    start = state if state is not None else layers.zero_state(cell, weights, len(order))
    n_running = int((inputs.lengths > 0).sum())  # a sequence of no steps keeps its state
    hidden, final = _packed(
        cell,
        _time_major_inputs(inputs, packed_rows, n_running),
        torch.tensor([n for _, n in layers.running(inputs.lengths[order])]),
        tuple(part[order[:n_running]] for part in start),
        weights,
    )
    outputs = hidden[packed_rows]
    if readout is not None:
        outputs = linear(outputs, readout.weight, readout.bias)
    return back_to_back(outputs, inputs.lengths), tuple(
        old.index_copy(0, torch.from_numpy(order[:n_running]).to(old.device), new)
        for old, new in zip(start, final, strict=True)
    )


recur_outputs, recur_state = layers.outputs_of(recur), layers.state_of(recur)


def _time_major_inputs(inputs: Ragged | Constant | First, packed_rows: np.ndarray, n_first: int) -> Tensor:
    """The input of every step, stored by time, longest sequence first. Returns (n_steps, input_size).

    n_first: rows of the first time step.
    """
    kind, starts, values = inputs.kind, inputs.starts, inputs.values
    ragged_rows = np.empty_like(packed_rows)
    ragged_rows[packed_rows] = np.arange(len(packed_rows))
    if starts is not None:
        return values[Ragged.view(values, starts, inputs.lengths).step_indices()[ragged_rows]]
    owners = owners_of(inputs.lengths)[ragged_rows]
    if kind == "constant":
        return values[owners]
    first = values[owners[:n_first]]
    return torch.cat([first, first.new_zeros(len(owners) - n_first, first.shape[1])])


def _packed(cell: Cell, x: Tensor, batch_sizes: Tensor, state: State, weights: Weights) -> tuple[Tensor, State]:
    """x: (n_steps, input_size) by time; batch_sizes: sequences running at each step, on the CPU."""
    parameters = [weights.input, weights.hidden, weights.input_bias, weights.hidden_bias]
    is_training = torch.is_grad_enabled()
    options = (True, 1, 0.0, is_training, False)  # biases, layers, dropout, training, bidirectional
    with warnings.catch_warnings():  # cuDNN wants weights in one block of memory; ours are views of another vector
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
        now = tuple(part[None].contiguous() for part in state)
        if cell.kind == "lstm":
            hidden, *final = torch._VF.lstm(x, batch_sizes, now, parameters, *options)
        else:
            hidden, *final = torch._VF.gru(x, batch_sizes, now[0], parameters, *options)
    return hidden, tuple(part[0] for part in final)
